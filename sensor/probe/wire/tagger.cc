#include "sensor/probe/wire/tagger.h"

#include <algorithm>
#include <array>

namespace parallax::sensor {
namespace {

// Keeps the values drawn from one key apart.
// By which TCP sequences go up by one.
constexpr Duration kTick = std::chrono::milliseconds(1);

// In the arithmetic of sequence numbers (RFC 1982).
bool SerialLess(uint32_t a, uint32_t b) { return static_cast<int32_t>(a - b) < 0; }

enum class Purpose : uint8_t { kFlowPort = 1, kFlowChecksum, kSequence, kTag };

uint64_t Hash(const HashKey& key, Purpose purpose, const IpAddress& target, ProbeMethod method,
              uint16_t port, uint16_t flow, uint64_t number) {
  std::array<uint8_t, 32> data{};
  data[0] = static_cast<uint8_t>(purpose);
  data[1] = static_cast<uint8_t>(target.family());
  data[2] = static_cast<uint8_t>(method);
  data[3] = static_cast<uint8_t>(port >> 8);
  data[4] = static_cast<uint8_t>(port);
  data[5] = static_cast<uint8_t>(flow >> 8);
  data[6] = static_cast<uint8_t>(flow);
  for (size_t i = 0; i < 8; ++i) {
    data[8 + i] = static_cast<uint8_t>(number >> (8 * i));
  }
  std::copy(target.bytes().begin(), target.bytes().end(), data.begin() + 16);
  return SipHash24(key, data);
}

// 16 bits, and not 0: a UDP checksum of 0 would mean that there is none.
uint32_t ShortSequence(uint64_t hash) { return 1 + static_cast<uint32_t>(hash) % 0xffff; }

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

PortRange ProbeTagger::udp_ports() const {
  const uint32_t count = std::min(ports_.size(), kUdpPorts);
  return {ports_.first, static_cast<uint16_t>(ports_.first + count - 1)};
}

PortRange ProbeTagger::FlowRange(ProbeMethod method) const {
  return method == ProbeMethod::kIcmpEcho ? icmp_ids_
         : method == ProbeMethod::kUdp    ? udp_ports()
                                          : ports_;
}

uint16_t ProbeTagger::FlowPort(const IpAddress& target, const ProbeTry& attempt) const {
  const PortRange range = FlowRange(attempt.method);
  const uint64_t first =
      Hash(flow_key_, Purpose::kFlowPort, target, attempt.method, attempt.port, 0, 0);
  return static_cast<uint16_t>(range.first + (first % range.size() + attempt.flow) % range.size());
}

Probe ProbeTagger::Make(uint64_t id, const IpAddress& target, uint32_t scope,
                        const ProbeTry& attempt, uint8_t ttl, MonoTime now,
                        std::optional<uint32_t> before) const {
  Probe probe;
  probe.id = id;
  probe.target = target;
  probe.scope = scope;
  probe.attempt = attempt;
  probe.ttl = ttl;
  probe.flow_port = FlowPort(target, attempt);
  const auto keyed = [&](const HashKey& key, Purpose purpose, uint64_t number) {
    return Hash(key, purpose, target, attempt.method, attempt.port, probe.flow_port, number);
  };
  const uint64_t sequence = keyed(secret_, Purpose::kSequence, id);
  if (attempt.method == ProbeMethod::kTcpSyn) {
    probe.sequence = FirstSequence(target, attempt.port, probe.flow_port, now);
    if (before && SerialLess(probe.sequence, *before + kMostSequenceStep)) {
      probe.sequence = *before + 1 + static_cast<uint32_t>(sequence % kMostSequenceStep);
    }
    return probe;
  }
  probe.sequence = ShortSequence(sequence);
  probe.tag = keyed(secret_, Purpose::kTag, id);
  if (attempt.method == ProbeMethod::kIcmpEcho) {
    probe.flow_checksum =
        static_cast<uint16_t>(1 + keyed(flow_key_, Purpose::kFlowChecksum, 0) % 0xfffe);
  }
  return probe;
}

uint32_t ProbeTagger::FirstSequence(const IpAddress& target, uint16_t port, uint16_t flow_port,
                                    MonoTime now) const {
  const uint64_t base =
      Hash(flow_key_, Purpose::kSequence, target, ProbeMethod::kTcpSyn, port, flow_port, 0);
  return static_cast<uint32_t>(base + static_cast<uint64_t>(now.time_since_epoch() / kTick));
}

bool ProbeTagger::TagIsOurs(const Answer& answer) const {
  if (!answer.tag) {
    return false;
  }
  const auto keyed = [&](Purpose purpose) {
    return Hash(secret_, purpose, answer.target, answer.method, answer.port, answer.flow_port,
                answer.tag->probe_id);
  };
  // The sequence of UDP is not looked at: replies have none, and NATs may change the checksum.
  return keyed(Purpose::kTag) == answer.tag->tag &&
         (answer.method != ProbeMethod::kIcmpEcho ||
          ShortSequence(keyed(Purpose::kSequence)) == answer.sequence);
}

bool ProbeTagger::OwnsFlow(const Answer& answer) const {
  if (answer.method != ProbeMethod::kIcmpEcho) {
    return ports_.Contains(answer.flow_port);
  }
  return answer.flow_port == FlowPort(answer.target, {ProbeMethod::kIcmpEcho, 0, 0});
}

}  // namespace parallax::sensor
