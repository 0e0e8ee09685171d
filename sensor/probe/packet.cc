#include "sensor/probe/packet.h"

#include <algorithm>
#include <string_view>

namespace parallax::sensor {
namespace {

constexpr uint8_t kEchoRequestV4 = 8;
constexpr uint8_t kEchoRequestV6 = 128;

// Told to whoever looks at the packet; even length, so that it does not shift the checksum's words.
constexpr std::string_view kText = "Parallax reachability probe.";
static_assert(kText.size() % 2 == 0);

constexpr size_t kCompensationAt = kEchoHeaderBytes + kEchoTagBytes;
constexpr size_t kTextAt = kCompensationAt + 2;
constexpr size_t kEchoBytes = kTextAt + kText.size();
static_assert(kEchoBytes <= kMaxProbeBytes);

constexpr size_t kSynBytes = 24;
constexpr uint8_t kFlagSyn = 0x02;
// What a host on plain Ethernet announces: 1500 less the IP and TCP headers.
constexpr uint16_t kMssV4 = 1460;
constexpr uint16_t kMssV6 = 1440;
constexpr uint16_t kWindow = 65535;

void Put16(ProbeBuffer& buffer, size_t at, uint16_t value) {
  buffer[at] = static_cast<uint8_t>(value >> 8);
  buffer[at + 1] = static_cast<uint8_t>(value);
}

void Put32(ProbeBuffer& buffer, size_t at, uint32_t value) {
  Put16(buffer, at, static_cast<uint16_t>(value >> 16));
  Put16(buffer, at + 2, static_cast<uint16_t>(value));
}

void Put64(ProbeBuffer& buffer, size_t at, uint64_t value) {
  Put32(buffer, at, static_cast<uint32_t>(value >> 32));
  Put32(buffer, at + 4, static_cast<uint32_t>(value));
}

uint16_t Complement(uint16_t value) { return static_cast<uint16_t>(~value); }

uint16_t Fold(uint32_t sum) {
  while (sum > 0xffff) {
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return static_cast<uint16_t>(sum);
}

}  // namespace

uint16_t OnesComplementSum(std::span<const uint8_t> data, uint32_t start) {
  uint64_t sum = start;
  for (size_t i = 0; i + 1 < data.size(); i += 2) {
    sum += static_cast<uint32_t>(data[i] << 8 | data[i + 1]);
  }
  if (data.size() % 2 == 1) {
    sum += static_cast<uint32_t>(data.back() << 8);
  }
  return Fold(Fold(static_cast<uint32_t>(sum >> 32)) + Fold(static_cast<uint32_t>(sum)));
}

uint16_t PseudoHeaderSum(const IpAddress& source, const IpAddress& destination, uint8_t protocol,
                         size_t length) {
  const uint32_t start = protocol + Fold(static_cast<uint32_t>(length));
  return OnesComplementSum(destination.bytes(), OnesComplementSum(source.bytes(), start));
}

std::span<const uint8_t> BuildEchoRequest(const Probe& probe,
                                          const std::optional<IpAddress>& source,
                                          ProbeBuffer& buffer) {
  const bool v4 = probe.target.is_v4();
  buffer.fill(0);
  buffer[0] = v4 ? kEchoRequestV4 : kEchoRequestV6;
  Put16(buffer, 4, probe.flow_port);
  Put16(buffer, 6, static_cast<uint16_t>(probe.sequence));
  Put64(buffer, kEchoHeaderBytes, probe.id);
  Put64(buffer, kEchoHeaderBytes + 8, probe.tag);
  std::copy(kText.begin(), kText.end(), buffer.begin() + kTextAt);
  const std::span<const uint8_t> packet(buffer.data(), kEchoBytes);

  // Wanted: sum(everything) = ~flow_checksum. The compensation is the difference, in ones'
  // complement arithmetic.
  const uint16_t wanted = Complement(probe.flow_checksum);
  const uint16_t rest = OnesComplementSum(packet);
  Put16(buffer, kCompensationAt, Fold(uint32_t{wanted} + Complement(rest)));

  if (v4) {
    Put16(buffer, 2, probe.flow_checksum);
  } else if (source) {
    const uint16_t pseudo = PseudoHeaderSum(*source, probe.target, kProtocolIcmpv6, packet.size());
    Put16(buffer, 2, Complement(Fold(uint32_t{pseudo} + wanted)));
  }
  return packet;
}

std::span<const uint8_t> BuildSyn(const Probe& probe, const std::optional<IpAddress>& source,
                                  ProbeBuffer& buffer) {
  buffer.fill(0);
  Put16(buffer, 0, probe.flow_port);
  Put16(buffer, 2, probe.attempt.port);
  Put32(buffer, 4, probe.sequence);
  buffer[12] = (kSynBytes / 4) << 4;
  buffer[13] = kFlagSyn;
  Put16(buffer, 14, kWindow);
  buffer[20] = 2;  // option: maximum segment size
  buffer[21] = 4;
  Put16(buffer, 22, probe.target.is_v4() ? kMssV4 : kMssV6);
  const std::span<const uint8_t> packet(buffer.data(), kSynBytes);
  if (source) {
    const uint16_t pseudo = PseudoHeaderSum(*source, probe.target, kProtocolTcp, packet.size());
    Put16(buffer, 16, Complement(OnesComplementSum(packet, pseudo)));
  }
  return packet;
}

}  // namespace parallax::sensor
