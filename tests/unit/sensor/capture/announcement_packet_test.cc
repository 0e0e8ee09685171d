// The finder of announcements, and the filter against it.
#include "sensor/capture/announcement_packet.h"

#include <gtest/gtest.h>
#include <pcap/pcap.h>

#include <optional>
#include <random>

#include "announcement_frames.h"
#include "sample_frames.h"
#include "sensor/capture/bpf_program.h"

namespace parallax::sensor {
namespace {

using namespace frames;

using Program = std::vector<BpfInstruction>;

std::optional<AnnouncementPacket> Find(LinkType link, const Bytes& frame) {
  return FindAnnouncement(link, frame, static_cast<uint32_t>(frame.size()));
}

// What the kernel does with the program, step by step.
struct Ran {
  bool accepted = false;
  size_t steps = 0;
};
Ran Interpret(const Program& program, const Bytes& frame) {
  uint32_t a = 0;
  uint32_t x = 0;
  uint32_t cells[16] = {};
  Ran ran;
  const auto load = [&](uint64_t at, size_t bytes) {
    if (at + bytes > frame.size()) {
      return false;
    }
    a = 0;
    for (size_t i = 0; i < bytes; ++i) {
      a = a << 8 | frame[at + i];
    }
    return true;
  };
  for (size_t pc = 0;; ++pc) {
    const BpfInstruction& i = program.at(pc);
    ++ran.steps;
    const uint32_t operand = (i.code & 8) != 0 ? x : i.k;
    switch (i.code & 7) {
      case 0: {
        const unsigned mode = i.code & 0xe0;
        const size_t bytes = (i.code & 0x18) == 0 ? 4 : (i.code & 0x18) == 8 ? 2 : 1;
        if (mode == 0x00) {
          a = i.k;
        } else if (mode == 0x60) {
          a = cells[i.k];
        } else if (!load(mode == 0x40 ? uint64_t{x} + i.k : i.k, bytes)) {
          return ran;
        }
        break;
      }
      case 1:
        x = (i.code & 0xe0) == 0x60 ? cells[i.k] : i.k;
        break;
      case 2:
        cells[i.k] = a;
        break;
      case 4: {
        const unsigned op = i.code & 0xf0;
        a = op == 0x00 ? a + operand : op == 0x50 ? (a & operand) : a << operand;
        break;
      }
      case 5: {
        const unsigned op = i.code & 0xf0;
        const bool yes = op == 0x10   ? a == operand
                         : op == 0x20 ? a > operand
                         : op == 0x30 ? a >= operand
                                      : (a & operand) != 0;
        pc += op == 0x00 ? i.k : yes ? i.jt : i.jf;
        break;
      }
      case 6:
        ran.accepted = i.k != 0;
        return ran;
      case 7:
        (i.code & 0xf8) == 0x80 ? a = x : x = a;
        break;
      default:
        ADD_FAILURE() << "unknown instruction " << i.code;
        return ran;
    }
  }
}

// libpcap's interpreter.
bool Accepts(const Program& program, const Bytes& frame) {
  std::vector<bpf_insn> instructions;
  for (const BpfInstruction& i : program) {
    instructions.push_back({i.code, i.jt, i.jf, i.k});
  }
  const auto length = static_cast<u_int>(frame.size());
  return bpf_filter(instructions.data(), frame.data(), length, length) != 0;
}

bool IsWanted(LinkType link, SegmentScope scope, const Bytes& frame) {
  return DecodeSegment(link, frame, static_cast<uint32_t>(frame.size()), scope).has_value() ||
         Find(link, frame).has_value();
}

std::vector<AnnouncementSample> AllSamples() {
  std::vector<AnnouncementSample> all = AnnouncementSamples();
  for (const Sample& sample : Samples()) {
    all.push_back({sample.name, sample.link, sample.frame, {}});
  }
  return all;
}

TEST(AnnouncementPacket, FindsWhatIsOneAndNothingElse) {
  for (const AnnouncementSample& sample : AllSamples()) {
    SCOPED_TRACE(sample.name);
    const auto packet = Find(sample.link, sample.frame);
    ASSERT_EQ(packet.has_value(), sample.protocol.has_value());
    if (packet) {
      EXPECT_EQ(packet->protocol, *sample.protocol);
      EXPECT_EQ(packet->src.family(), packet->dst.family());
    }
  }
}

TEST(AnnouncementPacket, SaysWhoAndWhere) {
  const Bytes frame = Ethernet(Join({Tag(0x8100, 100), TypeV4(RipPacket())}));
  const auto packet = Find(LinkType::kEthernet, frame);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->src.ToString(), "192.0.2.66");
  EXPECT_EQ(packet->dst.ToString(), "224.0.0.9");
  EXPECT_EQ(packet->ttl, 1);
  EXPECT_EQ(packet->link_source, (LinkAddress{2, 0, 0, 0, 0, 2}));
  ASSERT_EQ(packet->vlan.count, 1);
  EXPECT_EQ(packet->vlan.ids[0], 100);
  EXPECT_EQ(packet->body.size(), 8u + 4 + 20);
  EXPECT_EQ(packet->cut_off, 0u);
}

TEST(AnnouncementPacket, LinkAddressOfCookedFrames) {
  const Bytes mac = {2, 0, 0, 0, 0, 9};
  const Bytes sll = Join({U16(0), U16(1), U16(6), mac, U16(0), TypeV4(RipPacket())});
  const auto first = Find(LinkType::kLinuxSll, sll);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->link_source, (LinkAddress{2, 0, 0, 0, 0, 9}));
  const Bytes sll2 =
      Join({U16(0x0800), U16(0), U32(3), U16(1), U8(0), U8(6), mac, U16(0), RipPacket()});
  const auto second = Find(LinkType::kLinuxSll2, sll2);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->link_source, (LinkAddress{2, 0, 0, 0, 0, 9}));
  EXPECT_FALSE(Find(LinkType::kLinuxSll, Sll(TypeV4(RipPacket())))->link_source);
  EXPECT_FALSE(Find(LinkType::kRaw, RipPacket())->link_source);
}

TEST(AnnouncementPacket, BodyEndsWithThePacketNotWithTheFrame) {
  const Bytes padded = Padded(Ethernet(TypeV4(FromRouter4(1, IcmpRouters({})))), 0xff);
  const auto packet = Find(LinkType::kEthernet, padded);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->body.size(), 8u);
  EXPECT_EQ(packet->cut_off, 0u);
}

TEST(AnnouncementPacket, CountsWhatTheCaptureCutOff) {
  const Bytes frame = Ethernet(TypeV4(FromRouter4(17, Udp(67, 68, DhcpOffer()))));
  const Bytes cut(frame.begin(), frame.begin() + 256);
  const auto packet =
      FindAnnouncement(LinkType::kEthernet, cut, static_cast<uint32_t>(frame.size()));
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->body.size(), 256u - 34);
  EXPECT_EQ(packet->cut_off, frame.size() - 256);
}

TEST(AnnouncementFilter, AgreesWithDecoderAndFinderOnEverySampleAtEveryLength) {
  for (const LinkType link : kAllLinkTypes) {
    const Program program =
        MakeCaptureFilter(link, SegmentScope::kSynOrRst, AnnouncementScope::kAll);
    EXPECT_LE(program.size(), kBpfMostInstructions);
    for (const AnnouncementSample& sample : AllSamples()) {
      for (size_t length = 0; length <= sample.frame.size(); ++length) {
        const Bytes cut(sample.frame.begin(),
                        sample.frame.begin() + static_cast<std::ptrdiff_t>(length));
        const bool wanted = IsWanted(link, SegmentScope::kSynOrRst, cut);
        ASSERT_EQ(Accepts(program, cut), wanted)
            << ToString(link) << ", " << sample.name << ", " << length << " bytes";
        ASSERT_EQ(Interpret(program, cut).accepted, wanted) << sample.name;
      }
    }
  }
}

TEST(AnnouncementFilter, AgreesWithDecoderAndFinderOnMutations) {
  std::mt19937 random(20260102);  // fixed: a failure can be repeated
  const auto below = [&](size_t n) { return static_cast<size_t>(random() % n); };
  const uint8_t telling[] = {0x00, 0x01, 0x05, 0x06, 0x08, 0x09, 0x11, 0x33, 0x3a, 0x45, 0x46,
                             0x59, 0x60, 0x86, 0x89, 0x02, 0x03, 0x43, 0x44, 0x2c, 0x2b, 0x3c};
  size_t found = 0;
  for (const AnnouncementSample& sample : AnnouncementSamples()) {
    const Program program =
        MakeCaptureFilter(sample.link, SegmentScope::kSynOrRst, AnnouncementScope::kAll);
    for (int round = 0; round < 2000; ++round) {
      Bytes frame = sample.frame;
      for (size_t edits = 1 + below(3); edits > 0; --edits) {
        const size_t at = below(std::min<size_t>(frame.size(), 80));
        switch (below(3)) {
          case 0:
            frame[at] = telling[below(std::size(telling))];
            break;
          case 1:
            frame[at] = static_cast<uint8_t>(frame[at] ^ (1u << below(8)));
            break;
          case 2:
            frame.insert(frame.begin() + static_cast<std::ptrdiff_t>(at), 1 + below(8),
                         static_cast<uint8_t>(random()));
            break;
        }
      }
      ASSERT_EQ(Accepts(program, frame), IsWanted(sample.link, SegmentScope::kSynOrRst, frame))
          << sample.name << ", round " << round;
      found += Find(sample.link, frame) ? 1 : 0;
    }
  }
  EXPECT_GT(found, 10000u);  // the test means something
}

// Whatever is TCP takes as many steps as without: accepted or not, in every link type.
TEST(AnnouncementFilter, CostsTcpNothing) {
  for (const LinkType link : kAllLinkTypes) {
    for (const SegmentScope scope :
         {SegmentScope::kSyn, SegmentScope::kSynOrRst, SegmentScope::kAll}) {
      const Program without = MakeCaptureFilter(link, scope);
      const Program with = MakeCaptureFilter(link, scope, AnnouncementScope::kAll);
      EXPECT_EQ(without, MakeCaptureFilter(link, scope, AnnouncementScope::kNone));
      for (const Sample& sample : Samples()) {
        const auto length = static_cast<uint32_t>(sample.frame.size());
        const auto segment = DecodeSegment(link, sample.frame, length, SegmentScope::kAll);
        if (segment) {
          EXPECT_EQ(Interpret(with, sample.frame).steps, Interpret(without, sample.frame).steps)
              << ToString(link) << ", " << sample.name;
        }
      }
    }
  }
  const Bytes udp =
      Ethernet(TypeV4(Ipv4({.payload = Udp(443, 40000, Bytes(20, 2)), .protocol = 17})));
  const Bytes ack = Ethernet(TypeV4(Ipv4({.payload = Tcp({.flags = kTcpAck})})));
  const auto steps = [](const Bytes& frame, AnnouncementScope announcements) {
    return static_cast<int>(
        Interpret(MakeCaptureFilter(LinkType::kEthernet, SegmentScope::kSynOrRst, announcements),
                  frame)
            .steps);
  };
  RecordProperty("tcp_ack_without", steps(ack, AnnouncementScope::kNone));
  RecordProperty("tcp_ack_with", steps(ack, AnnouncementScope::kAll));
  RecordProperty("other_udp_without", steps(udp, AnnouncementScope::kNone));
  RecordProperty("other_udp_with", steps(udp, AnnouncementScope::kAll));
}

// See BpfProgram.CookedLoadsStayBehindTheHeader.
TEST(AnnouncementFilter, CookedLoadsStayBehindTheHeader) {
  for (const auto& [link, header, protocol] :
       {std::tuple(LinkType::kLinuxSll, 16u, 14u), {LinkType::kLinuxSll2, 20u, 0u}}) {
    for (const BpfInstruction& i :
         MakeCaptureFilter(link, SegmentScope::kSyn, AnnouncementScope::kAll)) {
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

}  // namespace
}  // namespace parallax::sensor
