#include "sensor/probe/wire/packet.h"

#include <algorithm>

namespace parallax::sensor {
namespace {

constexpr uint8_t kEchoRequestV4 = 8;
constexpr uint8_t kEchoRequestV6 = 128;

constexpr size_t kSynBytes = 24;
constexpr uint8_t kFlagSyn = 0x02;
// What a host on plain Ethernet announces: 1500 less the IP and TCP headers.
constexpr uint16_t kMssV4 = 1460;
constexpr uint16_t kMssV6 = 1440;
constexpr uint16_t kWindow = 65535;
constexpr uint16_t kDontFragment = 0x4000;

void Put16(std::span<uint8_t> buffer, size_t at, uint16_t value) {
  buffer[at] = static_cast<uint8_t>(value >> 8);
  buffer[at + 1] = static_cast<uint8_t>(value);
}

void Put32(std::span<uint8_t> buffer, size_t at, uint32_t value) {
  Put16(buffer, at, static_cast<uint16_t>(value >> 16));
  Put16(buffer, at + 2, static_cast<uint16_t>(value));
}

void Put64(std::span<uint8_t> buffer, size_t at, uint64_t value) {
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

// Writes id, tag and text behind an 8-byte header. Returns the size of header and payload.
size_t PutPayload(const Probe& probe, const ProbeText& text, std::span<uint8_t> buffer) {
  constexpr size_t kAt = kEchoHeaderBytes;
  Put64(buffer, kAt, probe.id);
  Put64(buffer, kAt + 8, probe.tag);
  Put16(buffer, kAt + kPayloadTagBytes, 0);
  const std::string_view words = text.view();
  std::copy(words.begin(), words.end(), buffer.begin() + kAt + kPayloadTagBytes + 2);
  return kAt + kPayloadTagBytes + 2 + words.size();
}

// Makes the words of `packet`, on top of `start`, sum up to the complement of `checksum` once that
// stands in its place: the two compensating bytes take up the difference.
void Compensate(std::span<uint8_t> packet, uint32_t start, uint16_t checksum) {
  const uint16_t sum = OnesComplementSum(packet, start);
  // want: sum + compensation == ~checksum, in ones' complement
  Put16(packet, kEchoHeaderBytes + kPayloadTagBytes,
        Fold(uint32_t{Complement(checksum)} + Complement(sum)));
}

std::span<const uint8_t> BuildEcho(const Probe& probe, const ProbeText& text,
                                   std::span<uint8_t> buffer) {
  buffer[0] = probe.target.is_v4() ? kEchoRequestV4 : kEchoRequestV6;
  buffer[1] = 0;
  Put16(buffer, 2, 0);
  Put16(buffer, 4, probe.flow_port);
  Put16(buffer, 6, static_cast<uint16_t>(probe.sequence));
  const auto packet = buffer.first(PutPayload(probe, text, buffer));
  Compensate(packet, 0, probe.flow_checksum);
  Put16(buffer, 2, probe.flow_checksum);
  return packet;
}

std::span<const uint8_t> BuildUdp(const Probe& probe, const IpAddress& source,
                                  const ProbeText& text, std::span<uint8_t> buffer) {
  Put16(buffer, 0, probe.flow_port);
  Put16(buffer, 2, probe.attempt.port);
  Put16(buffer, 6, 0);
  const auto packet = buffer.first(PutPayload(probe, text, buffer));
  Put16(buffer, 4, static_cast<uint16_t>(packet.size()));
  const auto checksum = static_cast<uint16_t>(probe.sequence);
  Compensate(packet, PseudoHeaderSum(source, probe.target, kProtocolUdp, packet.size()), checksum);
  Put16(buffer, 6, checksum);
  return packet;
}

std::span<const uint8_t> BuildSyn(const Probe& probe, const IpAddress& source,
                                  std::span<uint8_t> buffer) {
  const auto packet = buffer.first(kSynBytes);
  std::fill(packet.begin(), packet.end(), uint8_t{0});
  Put16(packet, 0, probe.flow_port);
  Put16(packet, 2, probe.attempt.port);
  Put32(packet, 4, probe.sequence);
  packet[12] = (kSynBytes / 4) << 4;
  packet[13] = kFlagSyn;
  Put16(packet, 14, kWindow);
  packet[20] = 2;  // option: maximum segment size
  packet[21] = 4;
  Put16(packet, 22, probe.target.is_v4() ? kMssV4 : kMssV6);
  const uint16_t pseudo = PseudoHeaderSum(source, probe.target, kProtocolTcp, packet.size());
  Put16(packet, 16, Complement(OnesComplementSum(packet, pseudo)));
  return packet;
}

std::span<const uint8_t> Build(const Probe& probe, const IpAddress& source, const ProbeText& text,
                               std::span<uint8_t> buffer) {
  switch (probe.attempt.method) {
    case ProbeMethod::kIcmpEcho:
      return BuildEcho(probe, text, buffer);
    case ProbeMethod::kTcpSyn:
      return BuildSyn(probe, source, buffer);
    case ProbeMethod::kUdp:
      return BuildUdp(probe, source, text, buffer);
  }
  return {};
}

}  // namespace

ProbeText::ProbeText(std::string_view contact) {
  const auto add = [this](std::string_view words) {
    const size_t count = std::min(words.size(), kMaxText - size_);
    std::copy_n(words.begin(), count, text_.begin() + static_cast<ptrdiff_t>(size_));
    size_ += count;
  };
  add(kProbeName);
  if (!contact.empty()) {
    add(" - ");
    add(contact);
  }
  add(".");
  if (size_ % 2 == 1) {  // so that it does not shift the checksum's words
    add(" ");
  }
  static_assert(kMaxText % 2 == 0);
}

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

uint8_t ProtocolOf(const Probe& probe) {
  switch (probe.attempt.method) {
    case ProbeMethod::kTcpSyn:
      return kProtocolTcp;
    case ProbeMethod::kUdp:
      return kProtocolUdp;
    case ProbeMethod::kIcmpEcho:
      break;
  }
  return probe.target.is_v4() ? kProtocolIcmp : kProtocolIcmpv6;
}

std::span<const uint8_t> BuildTransport(const Probe& probe, const IpAddress& source,
                                        const ProbeText& text, ProbeBuffer& buffer) {
  return Build(probe, source, text, buffer);
}

std::span<const uint8_t> BuildPacketV4(const Probe& probe, const IpAddress& source,
                                       const ProbeText& text, ProbeBuffer& buffer) {
  const std::span<uint8_t> all(buffer);
  const size_t payload = Build(probe, source, text, all.subspan(kIpv4HeaderBytes)).size();
  all[0] = 0x45;
  all[1] = 0;
  Put16(all, 2, static_cast<uint16_t>(kIpv4HeaderBytes + payload));
  Put16(all, 4, static_cast<uint16_t>(probe.sequence));
  Put16(all, 6, kDontFragment);
  all[8] = probe.ttl == 0 ? kDefaultTtl : probe.ttl;
  all[9] = ProtocolOf(probe);
  Put16(all, 10, 0);
  std::copy_n(source.bytes().begin(), 4, all.begin() + 12);
  std::copy_n(probe.target.bytes().begin(), 4, all.begin() + 16);
  return all.first(kIpv4HeaderBytes + payload);
}

}  // namespace parallax::sensor
