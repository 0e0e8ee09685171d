// The filter against the decoder, run by libpcap's own interpreter.
#include "sensor/capture/bpf_program.h"

#include <gtest/gtest.h>
#include <pcap/pcap.h>

#include <random>

#include "sample_frames.h"

namespace parallax::sensor {
namespace {

using namespace frames;

class Filter {
 public:
  Filter(LinkType link, SegmentScope scope) {
    for (const BpfInstruction& i : MakeCaptureFilter(link, scope)) {
      instructions_.push_back({i.code, i.jt, i.jf, i.k});
    }
    program_.bf_len = static_cast<u_int>(instructions_.size());
    program_.bf_insns = instructions_.data();
  }

  bool Accepts(const Bytes& frame) {
    pcap_pkthdr header{};
    header.caplen = static_cast<bpf_u_int32>(frame.size());
    header.len = header.caplen;
    return pcap_offline_filter(&program_, &header, frame.data()) != 0;
  }

  const std::vector<bpf_insn>& instructions() const { return instructions_; }

 private:
  std::vector<bpf_insn> instructions_;
  bpf_program program_{};
};

bool DecoderAccepts(LinkType link, SegmentScope scope, const Bytes& frame) {
  return DecodeSegment(link, frame, static_cast<uint32_t>(frame.size()), scope).has_value();
}

std::string Hex(const Bytes& frame) {
  std::string text;
  for (const uint8_t byte : frame) {
    char buffer[4];
    std::snprintf(buffer, sizeof buffer, "%02x ", byte);
    text += buffer;
  }
  return text;
}

TEST(BpfProgram, IsSomethingTheKernelTakes) {
  for (const LinkType link : kAllLinkTypes) {
    for (const SegmentScope scope :
         {SegmentScope::kSyn, SegmentScope::kSynOrRst, SegmentScope::kAll}) {
      SCOPED_TRACE(ToString(link));
      const auto program = MakeCaptureFilter(link, scope);
      ASSERT_FALSE(program.empty());
      EXPECT_LE(program.size(), kBpfMostInstructions);
      for (size_t i = 0; i < program.size(); ++i) {  // every jump stays inside
        const bool jump = (program[i].code & 7) == 5;
        const bool always = program[i].code == 5;
        if (always) {
          EXPECT_LT(i + 1 + program[i].k, program.size());
        } else if (jump) {
          EXPECT_LT(i + 1 + std::max(program[i].jt, program[i].jf), program.size());
        }
      }
      EXPECT_EQ(program.back().code, 6);  // ends in a return
    }
  }
}

// Cooked sockets show the kernel's filter no link header; libpcap rewrites loads at fixed offsets
// that lie in the header and rejects (falls back to user space on) all but the protocol field.
TEST(BpfProgram, CookedLoadsStayBehindTheHeader) {
  for (const auto& [link, header, protocol] :
       {std::tuple(LinkType::kLinuxSll, 16u, 14u), {LinkType::kLinuxSll2, 20u, 0u}}) {
    for (const BpfInstruction& i : MakeCaptureFilter(link, SegmentScope::kSyn)) {
      const bool load = (i.code & 7) == 0;
      const unsigned mode = i.code & 0xe0;
      if (load && mode == 0x20) {
        EXPECT_EQ(i.k, protocol);
      } else if (load && mode == 0x40) {
        EXPECT_GE(i.k, header);
      }
    }
  }
}

TEST(BpfProgram, AgreesWithTheDecoderOnEverySampleAtEveryLength) {
  for (const SegmentScope scope :
       {SegmentScope::kSyn, SegmentScope::kSynOrRst, SegmentScope::kAll}) {
    for (const LinkType link : kAllLinkTypes) {
      Filter filter(link, scope);
      for (const Sample& sample : Samples()) {  // samples of other link types are junk here
        for (size_t length = 0; length <= sample.frame.size(); ++length) {
          const Bytes cut(sample.frame.begin(),
                          sample.frame.begin() + static_cast<std::ptrdiff_t>(length));
          ASSERT_EQ(filter.Accepts(cut), DecoderAccepts(link, scope, cut))
              << ToString(link) << ", " << sample.name << ", " << length << " bytes";
        }
      }
    }
  }
}

TEST(BpfProgram, AgreesWithTheDecoderOnMutations) {
  std::mt19937 random(20260101);  // fixed: a failure can be repeated
  const auto below = [&](size_t n) { return static_cast<size_t>(random() % n); };
  const std::vector<Sample> samples = Samples();
  const uint8_t telling[] = {0x00, 0x06, 0x08, 0x45, 0x46, 0x4f, 0x60, 0x81, 0x86, 0x88, 0xa8,
                             0xdd, 0x2c, 0x2b, 0x33, 0x3c, 0xaa, 0x03, 0x47, 0x64, 0x21, 0x57};
  size_t accepted = 0;
  for (const LinkType link : kAllLinkTypes) {
    Filter filter(link, SegmentScope::kSynOrRst);
    for (const Sample& sample : samples) {
      if (sample.link != link) {
        continue;
      }
      for (int round = 0; round < 3000; ++round) {
        Bytes frame = sample.frame;
        for (size_t edits = 1 + below(4); edits > 0; --edits) {
          const size_t at = below(frame.size());
          switch (below(4)) {
            case 0:
              frame[at] = static_cast<uint8_t>(random());
              break;
            case 1:
              frame[at] = telling[below(std::size(telling))];
              break;
            case 2:
              frame[at] = static_cast<uint8_t>(frame[at] ^ (1u << below(8)));
              break;
            case 3:
              frame.insert(frame.begin() + static_cast<std::ptrdiff_t>(at), 1 + below(8),
                           static_cast<uint8_t>(random()));
              break;
          }
        }
        const bool decoder = DecoderAccepts(link, SegmentScope::kSynOrRst, frame);
        ASSERT_EQ(filter.Accepts(frame), decoder) << sample.name << ": " << Hex(frame);
        accepted += decoder ? 1 : 0;
      }
    }
  }
  EXPECT_GT(accepted, 10000u);  // the test means something
}

TEST(BpfAssembler, FarLabelsGetAJumpInBetween) {
  BpfAssembler a;
  const auto yes = a.NewLabel();
  const auto no = a.NewLabel();
  a.LoadByte(0);
  a.JumpIf(BpfTest::kEqual, 7, yes, no);
  for (int i = 0; i < 600; ++i) {
    a.Add(1);
  }
  a.Bind(no);
  a.Return(0);
  a.Bind(yes);
  a.Return(1);
  auto program = a.Assemble();
  std::vector<bpf_insn> instructions;
  for (const BpfInstruction& i : program) {
    instructions.push_back({i.code, i.jt, i.jf, i.k});
  }
  const uint8_t seven = 7;
  const uint8_t eight = 8;
  EXPECT_EQ(bpf_filter(instructions.data(), &seven, 1, 1), 1u);
  EXPECT_EQ(bpf_filter(instructions.data(), &eight, 1, 1), 0u);
}

}  // namespace
}  // namespace parallax::sensor
