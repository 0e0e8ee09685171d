#include "sensor/probe/wire/tagger.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/unit/sensor/probe/test_probes.h"

namespace parallax::sensor {
namespace {

using namespace test;

constexpr HashKey kFlow = {1, 2};
constexpr HashKey kSecret = {3, 4};
constexpr PortRange kPorts{61440, 65535};
constexpr MonoTime kNow{1000s};

TEST(ProbePorts, LieOutsideTheEphemeralRange) {
  EXPECT_EQ(ProbePorts({32768, 60999}), (PortRange{61440, 65535}));
  EXPECT_EQ(ProbePorts({32768, 64000}), (PortRange{64001, 65535}));
  EXPECT_EQ(ProbePorts({32768, 65535}), (PortRange{28672, 32767}));
  EXPECT_EQ(ProbePorts({1024, 65535}), (PortRange{768, 1023}));
  EXPECT_EQ(ProbePorts({1, 65535}), (PortRange{768, 1023}));
  for (uint32_t first = 1; first < 65536; first += 97) {
    for (uint32_t last = first; last < 65536; last += 89) {
      const PortRange ephemeral{static_cast<uint16_t>(first), static_cast<uint16_t>(last)};
      const PortRange ports = ProbePorts(ephemeral);
      ASSERT_GE(ports.size(), 256u);
      ASSERT_LE(ports.size(), 4096u);
      const bool apart = ports.first > last || ports.last < first;
      ASSERT_TRUE(apart || ports.last < 1024) << first << "-" << last;
    }
  }
}

TEST(Tagger, FlowSurvivesARestartTagsDoNot) {
  const ProbeTagger before(kFlow, kSecret, kPorts);
  const ProbeTagger after(kFlow, {5, 6}, kPorts);
  for (const ProbeTry& attempt : {kEcho, kHttps, kUdpTrace}) {
    for (const uint16_t flow : std::array<uint16_t, 3>{0, 1, 47}) {
      ProbeTry one = attempt;
      one.flow = flow;
      const Probe a = before.Make(1, Ip("198.51.100.7"), 0, one, 0, kNow);
      const Probe b = after.Make(1, Ip("198.51.100.7"), 0, one, 0, kNow);
      EXPECT_EQ(a.flow_port, b.flow_port);
      EXPECT_EQ(a.flow_checksum, b.flow_checksum);
      EXPECT_EQ(a.sequence == b.sequence, attempt == kHttps);  // TCP goes by the clock
      EXPECT_EQ(a.tag == b.tag, attempt == kHttps);            // and carries none
    }
  }
}

TEST(Tagger, MakeFillsInWhatWasAsked) {
  const ProbeTagger tagger(kFlow, kSecret, kPorts);
  const Probe probe = tagger.Make(99, Ip("fe80::1"), 7, kEcho, 12, kNow);
  EXPECT_EQ(probe.id, 99u);
  EXPECT_EQ(probe.target, Ip("fe80::1"));
  EXPECT_EQ(probe.scope, 7u);
  EXPECT_EQ(probe.attempt, kEcho);
  EXPECT_EQ(probe.ttl, 12);
  EXPECT_EQ(probe.flow_port, tagger.FlowPort(Ip("fe80::1"), kEcho));
  // A TTL does not make another flow, or another probe.
  EXPECT_EQ(tagger.Make(99, Ip("fe80::1"), 7, kEcho, 13, kNow).tag, probe.tag);
}

// Flows to a target all differ, as far as there are enough ports.
TEST(Tagger, FlowsOfATargetAreDistinct) {
  const ProbeTagger tagger(kFlow, kSecret, kPorts);
  for (const char* target : {"198.51.100.7", "2001:db8::7"}) {
    for (const ProbeTry& attempt : {kEcho, kHttps, kUdpTrace}) {
      const size_t room = attempt.method == ProbeMethod::kUdp      ? ProbeTagger::kUdpPorts
                          : attempt.method == ProbeMethod::kTcpSyn ? kPorts.size()
                                                                   : 65536;
      std::set<uint16_t> ports;
      for (uint32_t flow = 0; flow < 65536; ++flow) {
        ProbeTry one = attempt;
        one.flow = static_cast<uint16_t>(flow);
        const uint16_t port = tagger.FlowPort(Ip(target), one);
        ports.insert(port);
        if (flow < room) {
          ASSERT_EQ(ports.size(), flow + 1);
        }
        if (attempt.method == ProbeMethod::kTcpSyn) {
          ASSERT_TRUE(kPorts.Contains(port));
        } else if (attempt.method == ProbeMethod::kUdp) {
          ASSERT_TRUE(tagger.udp_ports().Contains(port));
        }
      }
      EXPECT_EQ(ports.size(), room);
    }
  }
}

TEST(Tagger, UdpPortsAreABlockOfOurs) {
  const ProbeTagger large(kFlow, kSecret, kPorts);
  EXPECT_EQ(large.udp_ports(), (PortRange{61440, 61951}));
  const ProbeTagger small(kFlow, kSecret, {768, 1023});
  EXPECT_EQ(small.udp_ports(), (PortRange{768, 1023}));
}

TEST(Tagger, IcmpIdentifiersStayInTheirRange) {
  const ProbeTagger tagger(kFlow, kSecret, kPorts, {100, 103});
  std::set<uint16_t> ids;
  for (uint16_t flow = 0; flow < 100; ++flow) {
    ids.insert(tagger.FlowPort(Ip("198.51.100.7"), {ProbeMethod::kIcmpEcho, 0, flow}));
  }
  EXPECT_EQ(ids, (std::set<uint16_t>{100, 101, 102, 103}));
}

TEST(Tagger, FlowsAndTagsAreSpread) {
  const ProbeTagger tagger(kFlow, kSecret, kPorts);
  std::set<uint16_t> ports;
  std::set<uint16_t> ids;
  std::set<uint32_t> sequences;
  for (uint32_t i = 0; i < 250; ++i) {
    const Probe probe = tagger.Make(1, V4(0xc6336400 + i), 0, kHttps, 0, kNow);
    ports.insert(probe.flow_port);
    sequences.insert(probe.sequence);
    ids.insert(tagger.Make(1, V4(0xc6336400 + i), 0, kEcho, 0, kNow).flow_port);
  }
  EXPECT_GT(ports.size(), 200u);
  EXPECT_GT(ids.size(), 240u);
  EXPECT_EQ(sequences.size(), 250u);
}

// What must never be: it would not come back, or would not be seen as constant.
TEST(Tagger, SequencesAndChecksumsAvoidTheSpecialValues) {
  const ProbeTagger tagger(kFlow, kSecret, kPorts);
  std::set<uint32_t> sequences;
  uint32_t low = UINT32_MAX;
  uint32_t high = 0;
  for (uint64_t id = 1; id <= 300'000; ++id) {
    const Probe probe = tagger.Make(id, Ip("198.51.100.7"), 0, kUdpTrace, 0, kNow);
    low = std::min(low, probe.sequence);
    high = std::max(high, probe.sequence);
  }
  EXPECT_EQ(low, 1u);
  EXPECT_EQ(high, 0xffffu);
  for (uint32_t i = 0; i < 300'000; ++i) {
    const Probe probe = tagger.Make(1, V4(0x0b000000 + i), 0, kEcho, 0, kNow);
    ASSERT_NE(probe.flow_checksum, 0);
    ASSERT_NE(probe.flow_checksum, 0xffff);
  }
}

TEST(Tagger, SequencesOfAFlowDiffer) {
  const ProbeTagger tagger(kFlow, kSecret, kPorts);
  for (const ProbeTry& attempt : {kEcho, kUdpTrace}) {
    std::set<uint32_t> sequences;
    std::set<uint64_t> tags;
    for (uint64_t id = 1; id <= 1000; ++id) {
      const Probe probe = tagger.Make(id, Ip("198.51.100.7"), 0, attempt, 0, kNow);
      sequences.insert(probe.sequence);
      tags.insert(probe.tag);
    }
    // 16 bits meet now and then; the ledger keeps those apart.
    EXPECT_GT(sequences.size(), 970u);
    EXPECT_EQ(tags.size(), 1000u);
  }
}

// From process to process of a host, and within the window of a target that still holds the last
// one, for a minute.
TEST(Tagger, TcpSequencesGoUpWithTheClock) {
  const ProbeTagger one(kFlow, kSecret, kPorts);
  const ProbeTagger other(kFlow, {5, 6}, kPorts);
  const auto at = [](const ProbeTagger& tagger, uint64_t id, Duration later,
                     std::optional<uint32_t> before) {
    return tagger.Make(id, Ip("198.51.100.7"), 0, kHttps, 0, kNow + later, before).sequence;
  };
  const uint32_t first = at(one, 1, 0ms, std::nullopt);
  EXPECT_EQ(at(other, 1, 5ms, std::nullopt) - first, 5u);
  EXPECT_EQ(at(one, 2, 20ms, first) - first, 20u);
  EXPECT_EQ(at(other, 2, 60s, std::nullopt) - first, 60'000u);
  // Other flows, targets and hosts are elsewhere.
  std::set<uint32_t> firsts;
  for (uint16_t flow = 0; flow < 100; ++flow) {
    firsts.insert(
        one.Make(1, Ip("198.51.100.7"), 0, {ProbeMethod::kTcpSyn, 443, flow}, 0, kNow).sequence >>
        20);
  }
  firsts.insert(ProbeTagger({7, 8}, kSecret, kPorts)
                    .Make(1, Ip("198.51.100.7"), 0, kHttps, 0, kNow)
                    .sequence >>
                20);
  EXPECT_GT(firsts.size(), 90u);
}

TEST(Tagger, TcpSequencesThatFollowFastAreKeyedSteps) {
  const ProbeTagger tagger(kFlow, kSecret, kPorts);
  const uint32_t clock = tagger.Make(1, Ip("198.51.100.7"), 0, kHttps, 0, kNow).sequence;
  for (const uint32_t before : {clock, clock - 15, clock + 100'000}) {
    std::set<uint32_t> steps;
    for (uint64_t id = 1; id <= 2000; ++id) {
      steps.insert(tagger.Make(id, Ip("198.51.100.7"), 0, kHttps, 0, kNow, before).sequence -
                   before);
    }
    EXPECT_EQ(steps.size(), ProbeTagger::kMostSequenceStep);
    EXPECT_EQ(*steps.begin(), 1u);
    EXPECT_EQ(*steps.rbegin(), ProbeTagger::kMostSequenceStep);
  }
}

TEST(Tagger, TagIsBoundToTargetFlowIdAndSequence) {
  const ProbeTagger tagger(kFlow, kSecret, kPorts);
  for (const ProbeTry& attempt : {kEcho, kUdpTrace}) {
    const Probe probe = tagger.Make(9, Ip("198.51.100.7"), 0, attempt, 0, kNow);
    const Answer answer = ErrorTo(probe, Ip("203.0.113.1"), ErrorMeaning::kUnreachable, true);
    EXPECT_TRUE(tagger.TagIsOurs(answer));
    Answer other = answer;
    other.target = Ip("198.51.100.8");
    EXPECT_FALSE(tagger.TagIsOurs(other));
    other = answer;
    other.method = ProbeMethod::kTcpSyn;
    EXPECT_FALSE(tagger.TagIsOurs(other));
    other = answer;
    other.port ^= 1;
    EXPECT_FALSE(tagger.TagIsOurs(other));
    other = answer;
    other.flow_port ^= 1;
    EXPECT_FALSE(tagger.TagIsOurs(other));
    other = answer;
    other.tag->probe_id = 10;
    EXPECT_FALSE(tagger.TagIsOurs(other));
    other = answer;
    other.tag->tag ^= 1;
    EXPECT_FALSE(tagger.TagIsOurs(other));
    other = answer;
    other.tag.reset();
    EXPECT_FALSE(tagger.TagIsOurs(other));
    other = answer;
    other.sequence ^= 1;  // a UDP checksum may be a NAT's
    EXPECT_EQ(tagger.TagIsOurs(other), attempt == kUdpTrace);
  }
}

TEST(Tagger, OwnsTheFlowsOfItsPortsAndTheFirstIdentifier) {
  const ProbeTagger tagger(kFlow, kSecret, kPorts);
  Answer answer = AnswerTo(tagger.Make(9, Ip("198.51.100.7"), 0, kEcho, 0, kNow));
  EXPECT_TRUE(tagger.OwnsFlow(answer));
  answer.flow_port ^= 1;
  EXPECT_FALSE(tagger.OwnsFlow(answer));
  for (const ProbeTry& attempt : {kHttps, kUdpTrace}) {
    answer = AnswerTo(tagger.Make(9, Ip("198.51.100.7"), 0, attempt, 0, kNow));
    EXPECT_TRUE(tagger.OwnsFlow(answer));
    answer.flow_port = 40000;
    EXPECT_FALSE(tagger.OwnsFlow(answer));
  }
}

}  // namespace
}  // namespace parallax::sensor
