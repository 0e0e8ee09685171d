#include "sensor/capture/bpf_assembler.h"

#include <cstdio>
#include <cstdlib>
#include <limits>
#include <utility>

namespace parallax::sensor {
namespace {

constexpr size_t kUnbound = std::numeric_limits<size_t>::max();
constexpr size_t kReach = 255;  // of a conditional jump
constexpr uint16_t kJumpAlways = 0x05;
constexpr uint16_t kJumpClass = 0x05;
constexpr uint16_t kCompareWithX = 0x08;

void Require(bool condition, const char* what) {
  if (!condition) {
    std::fprintf(stderr, "BpfAssembler: %s\n", what);
    std::abort();
  }
}

}  // namespace

BpfAssembler::Label BpfAssembler::NewLabel() {
  bound_at_.push_back(kUnbound);
  return static_cast<Label>(bound_at_.size()) - 1;
}

void BpfAssembler::Bind(Label label) {
  Use(label);
  bound_at_[static_cast<size_t>(label)] = lines_.size();
}

void BpfAssembler::Use(Label label) const {
  Require(label == kNext || (label >= 0 && static_cast<size_t>(label) < bound_at_.size() &&
                             bound_at_[static_cast<size_t>(label)] == kUnbound),
          "a label is unknown, bound twice or behind the jump to it");
}

void BpfAssembler::Jump(Label to) {
  Use(to);
  lines_.push_back({.code = kJumpAlways, .yes = to});
}

void BpfAssembler::Conditional(uint16_t code, uint32_t k, Label yes, Label no) {
  Use(yes);
  Use(no);
  lines_.push_back({.code = code, .k = k, .yes = yes, .no = no, .conditional = true});
}

void BpfAssembler::JumpIf(BpfTest test, uint32_t value, Label yes, Label no) {
  Conditional(static_cast<uint16_t>(kJumpClass | static_cast<uint16_t>(test)), value, yes, no);
}

void BpfAssembler::JumpIfGreaterThanX(Label yes, Label no) {
  Conditional(
      static_cast<uint16_t>(kJumpClass | kCompareWithX | static_cast<uint16_t>(BpfTest::kGreater)),
      0, yes, no);
}

void BpfAssembler::PassIpv4Header(uint32_t base, Label reject) {
  LoadByte(base);
  JumpIf(BpfTest::kGreaterOrEqual, 0x45, kNext, reject);
  JumpIf(BpfTest::kGreater, 0x4f, reject);
  And(0x0f);
  ShiftLeft(2);
  AddX();
  AToX();
}

std::vector<BpfInstruction> BpfAssembler::Assemble() const {
  // A conditional line takes one instruction, plus one for each side that is out of reach. Growing
  // a line can only move labels farther from earlier lines, so this settles.
  struct Far {
    bool yes = false;
    bool no = false;
  };
  const size_t count = lines_.size();
  std::vector<Far> far(count);
  std::vector<size_t> at(count + 1);
  const auto target = [&](Label label, size_t line) {
    const size_t to = label == kNext ? line + 1 : bound_at_[static_cast<size_t>(label)];
    Require(to != kUnbound && to < count, "a label is never bound");
    return at[to];
  };
  for (bool settled = false; !settled;) {
    for (size_t i = 0; i < count; ++i) {
      at[i + 1] = at[i] + 1 + (far[i].yes ? 1 : 0) + (far[i].no ? 1 : 0);
    }
    settled = true;
    for (size_t i = 0; i < count; ++i) {
      const Line& line = lines_[i];
      if (line.conditional) {
        const auto reach = [&](Label label, bool& is_far) {
          if (!is_far && target(label, i) - at[i] - 1 > kReach) {
            is_far = true;
            settled = false;
          }
        };
        reach(line.yes, far[i].yes);
        reach(line.no, far[i].no);
      }
    }
  }

  std::vector<BpfInstruction> program;
  program.reserve(at[count]);
  for (size_t i = 0; i < count; ++i) {
    const Line& line = lines_[i];
    if (line.conditional) {
      // Far sides land on the jumps right behind: first the one for yes, then the one for no.
      const size_t yes = far[i].yes ? 0 : target(line.yes, i) - at[i] - 1;
      const size_t no = far[i].no ? (far[i].yes ? 1 : 0) : target(line.no, i) - at[i] - 1;
      program.push_back({line.code, static_cast<uint8_t>(yes), static_cast<uint8_t>(no), line.k});
      for (const auto& [is_far, label] : {std::pair(far[i].yes, line.yes), {far[i].no, line.no}}) {
        if (is_far) {
          const size_t distance = target(label, i) - program.size() - 1;
          program.push_back({kJumpAlways, 0, 0, static_cast<uint32_t>(distance)});
        }
      }
    } else if (line.code == kJumpAlways) {
      program.push_back({line.code, 0, 0, static_cast<uint32_t>(target(line.yes, i) - at[i] - 1)});
    } else {
      program.push_back({line.code, 0, 0, line.k});
    }
  }
  return program;
}

}  // namespace parallax::sensor
