// A small assembler for classic BPF (McCanne and Jacobson, 1993) with labels. Jumps only go
// forward, which is what makes a program acceptable to the kernel; a conditional jump reaches 255
// instructions, and where a label is farther, the assembler puts an unconditional jump in between.
// Pure. Misuse (a label never bound, or bound before it is jumped to) is a programming error and
// ends the process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace parallax::sensor {

// The layout of struct bpf_insn, without pcap.
struct BpfInstruction {
  uint16_t code = 0;
  uint8_t jt = 0;
  uint8_t jf = 0;
  uint32_t k = 0;
  bool operator==(const BpfInstruction&) const = default;
};

inline constexpr size_t kBpfMostInstructions = 4096;  // BPF_MAXINSNS of the kernel

enum class BpfTest : uint16_t {
  kEqual = 0x10,
  kGreater = 0x20,
  kGreaterOrEqual = 0x30,
  kAny = 0x40
};

class BpfAssembler {
 public:
  using Label = int;
  static constexpr Label kNext = -1;  // fall through

  Label NewLabel();
  // The next instruction is what `label` stands for.
  void Bind(Label label);

  // A := bytes at X + offset, network order. A read past the end of the frame rejects it.
  void LoadByte(uint32_t offset) { Emit(0x50, offset); }
  void LoadHalf(uint32_t offset) { Emit(0x48, offset); }
  void LoadWord(uint32_t offset) { Emit(0x40, offset); }
  // The same at a fixed offset. Link-layer fields must be read so: for cooked sockets libpcap
  // rewrites these loads, because the kernel sees such packets without their link header.
  void LoadHalfAt(uint32_t offset) { Emit(0x28, offset); }
  void LoadWordAt(uint32_t offset) { Emit(0x20, offset); }

  void LoadImmediate(uint32_t value) { Emit(0x00, value); }  // A := value
  void SetX(uint32_t value) { Emit(0x01, value); }           // X := value
  void Store(uint32_t cell) { Emit(0x02, cell); }            // M[cell] := A
  void Recall(uint32_t cell) { Emit(0x60, cell); }           // A := M[cell]
  void RecallX(uint32_t cell) { Emit(0x61, cell); }          // X := M[cell]
  void AToX() { Emit(0x07, 0); }
  void XToA() { Emit(0x87, 0); }
  void Add(uint32_t value) { Emit(0x04, value); }
  void AddX() { Emit(0x0c, 0); }
  void And(uint32_t value) { Emit(0x54, value); }
  void ShiftLeft(uint32_t bits) { Emit(0x64, bits); }
  void Return(uint32_t bytes) { Emit(0x06, bytes); }

  void Jump(Label to);
  // `yes` if A and `value` pass the test, else `no`.
  void JumpIf(BpfTest test, uint32_t value, Label yes, Label no = kNext);
  // `yes` if A > X.
  void JumpIfGreaterThanX(Label yes, Label no = kNext);

  // Moves X, at an IPv4 header that begins `base` bytes further on, behind that header; `reject` if
  // it is none.
  void PassIpv4Header(uint32_t base, Label reject);

  // REQUIRES: every label that was used is bound.
  std::vector<BpfInstruction> Assemble() const;

 private:
  struct Line {
    uint16_t code = 0;
    uint32_t k = 0;
    Label yes = kNext;
    Label no = kNext;
    bool conditional = false;
  };

  void Emit(uint16_t code, uint32_t k) { lines_.push_back({.code = code, .k = k}); }
  void Conditional(uint16_t code, uint32_t k, Label yes, Label no);
  void Use(Label label) const;

  std::vector<Line> lines_;
  std::vector<size_t> bound_at_;  // per label: index of a line, or kUnbound
};

}  // namespace parallax::sensor
