#include "sensor/probe/tagger.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/unit/sensor/probe/test_answers.h"

namespace parallax::sensor {
namespace {

using test::Ip;

constexpr HashKey kFlow = {1, 2};
constexpr ProbeTry kEcho{ProbeMethod::kIcmpEcho, 0};
constexpr ProbeTry kHttps{ProbeMethod::kTcpSyn, 443};

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
  const ProbeTagger before(kFlow, {3, 4}, {61440, 65535});
  const ProbeTagger after(kFlow, {5, 6}, {61440, 65535});
  for (const ProbeTry& attempt : {kEcho, kHttps}) {
    const Probe a = before.Make(1, Ip("198.51.100.7"), 0, attempt);
    const Probe b = after.Make(1, Ip("198.51.100.7"), 0, attempt);
    EXPECT_EQ(a.flow_port, b.flow_port);
    EXPECT_EQ(a.flow_checksum, b.flow_checksum);
    EXPECT_NE(a.sequence, b.sequence);
    EXPECT_EQ(a.tag == b.tag, attempt == kHttps);  // TCP carries none
  }
}

TEST(Tagger, FlowsAndTagsAreSpread) {
  const ProbeTagger tagger(kFlow, {3, 4}, {61440, 65535});
  std::set<uint16_t> ports;
  std::set<uint32_t> sequences;
  for (uint8_t i = 0; i < 250; ++i) {
    const IpAddress target = IpAddress::V4(std::array<uint8_t, 4>{198, 51, 100, i});
    const Probe probe = tagger.Make(1, target, 0, kHttps);
    EXPECT_TRUE(tagger.ports().Contains(probe.flow_port));
    ports.insert(probe.flow_port);
    sequences.insert(probe.sequence);
  }
  EXPECT_GT(ports.size(), 200u);
  EXPECT_EQ(sequences.size(), 250u);
}

TEST(Tagger, EchoTagIsBoundToTargetIdAndSequence) {
  const ProbeTagger tagger(kFlow, {3, 4}, {61440, 65535});
  const Probe probe = tagger.Make(9, Ip("198.51.100.7"), 0, kEcho);
  Answer answer;
  answer.source = answer.target = probe.target;
  answer.attempt = kEcho;
  answer.flow_port = probe.flow_port;
  answer.sequence = probe.sequence;
  answer.echo = EchoTag{probe.id, probe.tag};
  EXPECT_TRUE(tagger.EchoTagIsOurs(answer));
  Answer other = answer;
  other.target = Ip("198.51.100.8");
  EXPECT_FALSE(tagger.EchoTagIsOurs(other));
  other = answer;
  other.echo->probe_id = 10;
  EXPECT_FALSE(tagger.EchoTagIsOurs(other));
  other = answer;
  other.sequence ^= 1;
  EXPECT_FALSE(tagger.EchoTagIsOurs(other));
  other = answer;
  other.echo.reset();
  EXPECT_FALSE(tagger.EchoTagIsOurs(other));
}

}  // namespace
}  // namespace parallax::sensor
