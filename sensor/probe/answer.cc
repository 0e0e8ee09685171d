#include "sensor/probe/answer.h"

#include "sensor/probe/packet.h"

namespace parallax::sensor {
namespace {

constexpr size_t kIpv4HeaderBytes = 20;
constexpr size_t kIpv6HeaderBytes = 40;
constexpr size_t kTcpHeaderBytes = 20;
constexpr size_t kQuotedTransportBytes = 8;
constexpr size_t kMaxExtensionHeaders = 8;
constexpr uint8_t kTcpRst = 0x04;
constexpr uint8_t kTcpSyn = 0x02;
constexpr uint8_t kTcpAck = 0x10;

// Reads big-endian numbers at offsets. The caller checks Has() first.
class Bytes {
 public:
  explicit Bytes(std::span<const uint8_t> data) : data_(data) {}
  bool Has(size_t count) const { return data_.size() >= count; }
  size_t size() const { return data_.size(); }
  uint8_t U8(size_t at) const { return data_[at]; }
  uint16_t U16(size_t at) const { return static_cast<uint16_t>(data_[at] << 8 | data_[at + 1]); }
  uint32_t U32(size_t at) const { return uint32_t{U16(at)} << 16 | U16(at + 2); }
  uint64_t U64(size_t at) const { return uint64_t{U32(at)} << 32 | U32(at + 4); }
  std::span<const uint8_t> From(size_t at) const { return data_.subspan(at); }
  IpAddress V4At(size_t at) const { return *IpAddress::FromBytes(data_.subspan(at, 4)); }
  IpAddress V6At(size_t at) const { return *IpAddress::FromBytes(data_.subspan(at, 16)); }

 private:
  std::span<const uint8_t> data_;
};

std::optional<EchoTag> ReadEchoTag(Bytes icmp) {
  if (!icmp.Has(kEchoHeaderBytes + kEchoTagBytes)) {
    return std::nullopt;
  }
  const EchoTag tag{icmp.U64(kEchoHeaderBytes), icmp.U64(kEchoHeaderBytes + 8)};
  // A short quote padded with zeros (RFC 4884 section 5.1) holds no tag; probe ids are never 0.
  return tag.probe_id == 0 && tag.tag == 0 ? std::nullopt : std::optional(tag);
}

std::optional<Answer> ReadEchoReply(const IpAddress& source, Bytes icmp) {
  if (!icmp.Has(kEchoHeaderBytes) || icmp.U8(1) != 0) {
    return std::nullopt;
  }
  Answer answer;
  answer.kind = AnswerKind::kEchoReply;
  answer.source = source;
  answer.target = source;
  answer.flow_port = icmp.U16(4);
  answer.sequence = icmp.U16(6);
  answer.echo = ReadEchoTag(icmp);
  return answer;
}

std::optional<Answer> ReadTcp(const IpAddress& source, Bytes tcp) {
  if (!tcp.Has(kTcpHeaderBytes)) {
    return std::nullopt;
  }
  // An answer to a SYN always acknowledges it (RFC 9293 3.10.7.3): a bare RST is somebody's guess.
  const uint8_t flags = tcp.U8(13);
  const bool reset = (flags & kTcpRst) != 0;
  if ((flags & kTcpAck) == 0 || (!reset && (flags & kTcpSyn) == 0)) {
    return std::nullopt;
  }
  Answer answer;
  answer.kind = reset ? AnswerKind::kReset : AnswerKind::kSynAck;
  answer.source = source;
  answer.target = source;
  answer.attempt = {ProbeMethod::kTcpSyn, tcp.U16(0)};
  answer.flow_port = tcp.U16(2);
  answer.sequence = tcp.U32(8) - 1;
  return answer;
}

// The first transport bytes of the quoted probe.
bool ReadQuotedTransport(Bytes transport, uint8_t protocol, uint8_t echo_request, Answer& answer) {
  if (!transport.Has(kQuotedTransportBytes)) {
    return false;
  }
  if (protocol == kProtocolTcp) {
    answer.attempt = {ProbeMethod::kTcpSyn, transport.U16(2)};
    answer.flow_port = transport.U16(0);
    answer.sequence = transport.U32(4);
    return true;
  }
  if (transport.U8(0) != echo_request || transport.U8(1) != 0) {
    return false;
  }
  answer.flow_port = transport.U16(4);
  answer.sequence = transport.U16(6);
  answer.echo = ReadEchoTag(transport);
  return true;
}

bool ReadQuoteV4(Bytes quote, Answer& answer) {
  if (!quote.Has(kIpv4HeaderBytes) || quote.U8(0) >> 4 != 4) {
    return false;
  }
  const size_t header = size_t{quote.U8(0) & 0x0fu} * 4;
  const bool later_fragment = (quote.U16(6) & 0x1fff) != 0;
  const uint8_t protocol = quote.U8(9);
  if (header < kIpv4HeaderBytes || !quote.Has(header) || later_fragment ||
      (protocol != kProtocolIcmp && protocol != kProtocolTcp)) {
    return false;
  }
  answer.from_this_host = quote.V4At(12) == answer.source;
  answer.target = quote.V4At(16);
  return ReadQuotedTransport(Bytes(quote.From(header)), protocol, 8, answer);
}

bool ReadQuoteV6(Bytes quote, Answer& answer) {
  if (!quote.Has(kIpv6HeaderBytes) || quote.U8(0) >> 4 != 6) {
    return false;
  }
  answer.from_this_host = quote.V6At(8) == answer.source;
  answer.target = quote.V6At(24);
  uint8_t next = quote.U8(6);
  size_t at = kIpv6HeaderBytes;
  for (size_t headers = 0; next != kProtocolTcp && next != kProtocolIcmpv6; ++headers) {
    if (headers == kMaxExtensionHeaders || !quote.Has(at + 8)) {
      return false;
    }
    size_t length = 0;
    switch (next) {
      case 0:    // hop-by-hop
      case 43:   // routing
      case 60:   // destination options
      case 135:  // mobility
        length = (size_t{quote.U8(at + 1)} + 1) * 8;
        break;
      case 44:  // fragment
        if ((quote.U16(at + 2) & 0xfff8) != 0) {
          return false;
        }
        length = 8;
        break;
      case 51:  // authentication header
        length = (size_t{quote.U8(at + 1)} + 2) * 4;
        break;
      default:
        return false;
    }
    next = quote.U8(at);
    at += length;
  }
  return at <= quote.size() && ReadQuotedTransport(Bytes(quote.From(at)), next, 128, answer);
}

// nullopt: no error that ends a probe (redirects, source quench, packet too big, queries).
std::optional<ErrorMeaning> MeaningV4(uint8_t type, uint8_t code) {
  switch (type) {
    case 3:
      switch (code) {
        case 2:  // protocol, port: what a filter that rejects says in the target's stead
        case 3:
        case 9:
        case 10:
        case 13:
          return ErrorMeaning::kProhibited;
        case 4:  // fragmentation needed: cannot be about a probe of 74 bytes
          return std::nullopt;
        default:
          return ErrorMeaning::kUnreachable;
      }
    case 11:
    case 12:
      return ErrorMeaning::kUnreachable;
    default:
      return std::nullopt;
  }
}

std::optional<ErrorMeaning> MeaningV6(uint8_t type, uint8_t code) {
  switch (type) {
    case 1:
      switch (code) {
        case 1:  // administratively prohibited
        case 4:  // port
        case 5:  // source address failed ingress/egress policy
          return ErrorMeaning::kProhibited;
        default:
          return ErrorMeaning::kUnreachable;
      }
    case 3:
    case 4:
      return ErrorMeaning::kUnreachable;
    default:
      return std::nullopt;
  }
}

std::optional<Answer> ReadError(const IpAddress& source, Bytes icmp) {
  if (!icmp.Has(kEchoHeaderBytes)) {
    return std::nullopt;
  }
  Answer answer;
  answer.kind = AnswerKind::kError;
  answer.source = source;
  answer.icmp_type = icmp.U8(0);
  answer.icmp_code = icmp.U8(1);
  const bool v4 = source.is_v4();
  const auto meaning = v4 ? MeaningV4(answer.icmp_type, answer.icmp_code)
                          : MeaningV6(answer.icmp_type, answer.icmp_code);
  if (!meaning) {
    return std::nullopt;
  }
  answer.meaning = *meaning;
  const Bytes quote(icmp.From(kEchoHeaderBytes));
  if (!(v4 ? ReadQuoteV4(quote, answer) : ReadQuoteV6(quote, answer))) {
    return std::nullopt;
  }
  return answer;
}

}  // namespace

std::optional<Answer> ParseAnswerV4(std::span<const uint8_t> packet) {
  const Bytes ip(packet);
  if (!ip.Has(kIpv4HeaderBytes) || ip.U8(0) >> 4 != 4) {
    return std::nullopt;
  }
  const size_t header = size_t{ip.U8(0) & 0x0fu} * 4;
  const size_t total = ip.U16(2);
  const bool fragment = (ip.U16(6) & 0x3fff) != 0;  // more fragments, or an offset
  if (header < kIpv4HeaderBytes || total < header || !ip.Has(total) || fragment) {
    return std::nullopt;
  }
  const IpAddress source = ip.V4At(12);
  const Bytes payload(packet.subspan(header, total - header));
  switch (ip.U8(9)) {
    case kProtocolTcp:
      return ReadTcp(source, payload);
    case kProtocolIcmp:
      if (payload.size() == 0 || OnesComplementSum(payload.From(0)) != 0xffff) {
        return std::nullopt;
      }
      return payload.U8(0) == 0 ? ReadEchoReply(source, payload) : ReadError(source, payload);
    default:
      return std::nullopt;
  }
}

std::optional<Answer> ParseAnswerV6(const IpAddress& source, uint8_t protocol,
                                    std::span<const uint8_t> payload) {
  const Bytes bytes(payload);
  if (source.is_v4() || bytes.size() == 0) {
    return std::nullopt;
  }
  if (protocol == kProtocolTcp) {
    return ReadTcp(source, bytes);
  }
  if (protocol != kProtocolIcmpv6) {
    return std::nullopt;
  }
  return bytes.U8(0) == 129 ? ReadEchoReply(source, bytes) : ReadError(source, bytes);
}

}  // namespace parallax::sensor
