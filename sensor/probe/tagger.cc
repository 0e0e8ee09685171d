#include "sensor/probe/tagger.h"

#include <algorithm>
#include <array>

namespace parallax::sensor {
namespace {

// Keeps the values drawn from one key apart.
enum class Purpose : uint8_t { kFlowPort = 1, kFlowChecksum, kSequence, kEchoTag };

uint64_t Hash(const HashKey& key, Purpose purpose, const IpAddress& target, const ProbeTry& attempt,
              uint64_t number) {
  std::array<uint8_t, 32> data{};
  data[0] = static_cast<uint8_t>(purpose);
  data[1] = static_cast<uint8_t>(target.family());
  data[2] = static_cast<uint8_t>(attempt.method);
  data[3] = static_cast<uint8_t>(attempt.port >> 8);
  data[4] = static_cast<uint8_t>(attempt.port);
  for (size_t i = 0; i < 8; ++i) {
    data[8 + i] = static_cast<uint8_t>(number >> (8 * i));
  }
  std::copy(target.bytes().begin(), target.bytes().end(), data.begin() + 16);
  return SipHash24(key, data);
}

constexpr uint32_t kFewestPorts = 256;
constexpr uint32_t kMostPorts = 4096;
constexpr uint16_t kFirstUnprivileged = 1024;

}  // namespace

PortRange ProbePorts(PortRange ephemeral) {
  const uint32_t above = 65535u - ephemeral.last;
  if (above >= kFewestPorts) {
    const uint32_t count = std::min(above, kMostPorts);
    return {static_cast<uint16_t>(65536u - count), 65535};
  }
  if (ephemeral.first >= kFirstUnprivileged + kFewestPorts) {
    const uint32_t below = uint32_t{ephemeral.first} - kFirstUnprivileged;
    const uint32_t count = std::min(below, kMostPorts);
    return {static_cast<uint16_t>(ephemeral.first - count),
            static_cast<uint16_t>(ephemeral.first - 1)};
  }
  return {kFirstUnprivileged - kFewestPorts, kFirstUnprivileged - 1};
}

uint16_t ProbeTagger::FlowPort(const IpAddress& target, const ProbeTry& attempt) const {
  const uint64_t hash = Hash(flow_key_, Purpose::kFlowPort, target, attempt, 0);
  if (attempt.method == ProbeMethod::kTcpSyn) {
    return static_cast<uint16_t>(ports_.first + hash % ports_.size());
  }
  return static_cast<uint16_t>(hash);
}

Probe ProbeTagger::Make(uint64_t id, const IpAddress& target, uint32_t scope,
                        const ProbeTry& attempt) const {
  Probe probe;
  probe.id = id;
  probe.target = target;
  probe.scope = scope;
  probe.attempt = attempt;
  probe.flow_port = FlowPort(target, attempt);
  probe.sequence = static_cast<uint32_t>(Hash(secret_, Purpose::kSequence, target, attempt, id));
  if (attempt.method == ProbeMethod::kIcmpEcho) {
    probe.sequence &= 0xffff;
    const uint64_t hash = Hash(flow_key_, Purpose::kFlowChecksum, target, attempt, 0);
    probe.flow_checksum = static_cast<uint16_t>(1 + hash % 0xfffe);
    probe.tag = Hash(secret_, Purpose::kEchoTag, target, attempt, id);
  }
  return probe;
}

bool ProbeTagger::EchoTagIsOurs(const Answer& answer) const {
  if (!answer.echo) {
    return false;
  }
  const Probe probe = Make(answer.echo->probe_id, answer.target, 0, answer.attempt);
  return probe.tag == answer.echo->tag && probe.flow_port == answer.flow_port &&
         probe.sequence == answer.sequence;
}

}  // namespace parallax::sensor
