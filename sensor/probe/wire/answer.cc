#include "sensor/probe/wire/answer.h"

#include <algorithm>

#include "sensor/probe/wire/byte_view.h"
#include "sensor/probe/wire/icmp_extension.h"
#include "sensor/probe/wire/packet.h"

namespace parallax::sensor {
namespace {

constexpr size_t kIpv6HeaderBytes = 40;
constexpr size_t kTcpHeaderBytes = 20;
constexpr size_t kIcmpHeaderBytes = 8;
constexpr size_t kQuotedTransportBytes = 8;
constexpr size_t kMaxExtensionHeaders = 8;

constexpr uint8_t kTcpFin = 0x01;
constexpr uint8_t kTcpSyn = 0x02;
constexpr uint8_t kTcpRst = 0x04;
constexpr uint8_t kTcpAck = 0x10;

// RFC 792, RFC 4443, RFC 4861.
constexpr uint8_t kEchoReplyV4 = 0;
constexpr uint8_t kUnreachableV4 = 3;
constexpr uint8_t kRedirectV4 = 5;
constexpr uint8_t kEchoRequestV4 = 8;
constexpr uint8_t kTimeExceededV4 = 11;
constexpr uint8_t kParameterProblemV4 = 12;
constexpr uint8_t kUnreachableV6 = 1;
constexpr uint8_t kTimeExceededV6 = 3;
constexpr uint8_t kParameterProblemV6 = 4;
constexpr uint8_t kEchoRequestV6 = 128;
constexpr uint8_t kEchoReplyV6 = 129;
constexpr uint8_t kRedirectV6 = 137;

// Of the payload of ICMP echo or UDP.
std::optional<PayloadTag> ReadTag(ByteView payload) {
  if (!payload.Has(kPayloadTagBytes)) {
    return std::nullopt;
  }
  const PayloadTag tag{payload.U64(0), payload.U64(8)};
  if (tag.probe_id == 0 && tag.tag == 0) {
    return std::nullopt;
  }
  // A short quote is padded with zeros (RFC 4884 section 5.1), perhaps from within the tag on. If
  // it were longer than the tag, our payload's text would follow.
  const auto rest = payload.From(kPayloadTagBytes - 1).span();
  const bool padded =
      rest.size() > 1 && std::all_of(rest.begin(), rest.end(), [](uint8_t b) { return b == 0; });
  return padded ? std::nullopt : std::optional(tag);
}

Answer FromTarget(AnswerKind kind, const IpAddress& source, uint8_t ttl, ProbeMethod method) {
  Answer answer;
  answer.kind = kind;
  answer.source = source;
  answer.ttl = ttl;
  answer.target = source;
  answer.method = method;
  return answer;
}

std::optional<Answer> ReadEchoReply(const IpAddress& source, uint8_t ttl, ByteView icmp) {
  if (!icmp.Has(kEchoHeaderBytes) || icmp.U8(1) != 0) {
    return std::nullopt;
  }
  Answer answer = FromTarget(AnswerKind::kEchoReply, source, ttl, ProbeMethod::kIcmpEcho);
  answer.flow_port = icmp.U16(4);
  answer.sequence = icmp.U16(6);
  answer.tag = ReadTag(icmp.From(kEchoHeaderBytes));
  return answer;
}

std::optional<Answer> ReadTcp(const IpAddress& source, uint8_t ttl, ByteView tcp) {
  if (!tcp.Has(kTcpHeaderBytes)) {
    return std::nullopt;
  }
  const size_t header = size_t{tcp.U8(12)} >> 4 << 2;
  if (header < kTcpHeaderBytes || !tcp.Has(header)) {
    return std::nullopt;
  }
  // An answer to a SYN always acknowledges one (RFC 9293 3.10.7): a bare RST is somebody's guess.
  const uint8_t flags = tcp.U8(13);
  if ((flags & kTcpAck) == 0) {
    return std::nullopt;
  }
  AnswerKind kind = AnswerKind::kReset;
  if ((flags & kTcpRst) == 0) {
    const bool syn = (flags & kTcpSyn) != 0;
    if (!syn && ((flags & kTcpFin) != 0 || tcp.size() > header)) {
      return std::nullopt;  // of a connection, and we have none
    }
    kind = syn ? AnswerKind::kSynAck : AnswerKind::kAck;
  }
  Answer answer = FromTarget(kind, source, ttl, ProbeMethod::kTcpSyn);
  answer.port = tcp.U16(0);
  answer.flow_port = tcp.U16(2);
  answer.sequence = tcp.U32(8) - 1;
  return answer;
}

// The text of a probe stands where a probe has it: an echo service sent the payload back.
bool EchoesProbe(ByteView payload) {
  constexpr size_t kTextAt = kPayloadTagBytes + 2;
  if (!payload.Has(kTextAt + kProbeName.size())) {
    return false;
  }
  for (size_t i = 0; i < kProbeName.size(); ++i) {
    if (payload.U8(kTextAt + i) != static_cast<uint8_t>(kProbeName[i])) {
      return false;
    }
  }
  return true;
}

std::optional<Answer> ReadUdp(const IpAddress& source, uint8_t ttl, ByteView udp) {
  if (!udp.Has(kUdpHeaderBytes)) {
    return std::nullopt;
  }
  const size_t length = udp.U16(4);
  if (length < kUdpHeaderBytes || !udp.Has(length)) {
    return std::nullopt;
  }
  return UdpReply(source, ttl, udp.U16(0), udp.U16(2),
                  udp.First(length).From(kUdpHeaderBytes).span());
}

// The first transport bytes of the quoted probe. The tag is within the first `trusted` bytes, or
// it is not read.
bool ReadQuotedTransport(ByteView transport, size_t trusted, uint8_t protocol, Answer& answer) {
  if (!transport.Has(kQuotedTransportBytes)) {
    return false;
  }
  if (protocol == kProtocolTcp) {
    answer.method = ProbeMethod::kTcpSyn;
    answer.port = transport.U16(2);
    answer.flow_port = transport.U16(0);
    answer.sequence = transport.U32(4);
    return true;
  }
  if (protocol == kProtocolUdp) {
    answer.method = ProbeMethod::kUdp;
    answer.port = transport.U16(2);
    answer.flow_port = transport.U16(0);
    answer.quoted_checksum = transport.U16(6);
    answer.sequence = *answer.quoted_checksum;
  } else {
    const uint8_t request = protocol == kProtocolIcmp ? kEchoRequestV4 : kEchoRequestV6;
    if (transport.U8(0) != request || transport.U8(1) != 0) {
      return false;
    }
    answer.method = ProbeMethod::kIcmpEcho;
    answer.quoted_checksum = transport.U16(2);
    answer.flow_port = transport.U16(4);
    answer.sequence = transport.U16(6);
  }
  static_assert(kEchoHeaderBytes == kUdpHeaderBytes);
  const ByteView known = transport.First(std::min(trusted, transport.size()));
  answer.tag = known.Has(kUdpHeaderBytes) ? ReadTag(known.From(kUdpHeaderBytes)) : std::nullopt;
  return true;
}

bool ReadQuoteV4(ByteView quote, size_t trusted, Answer& answer) {
  if (!quote.Has(kIpv4HeaderBytes) || quote.U8(0) >> 4 != 4) {
    return false;
  }
  const size_t header = size_t{quote.U8(0) & 0x0fu} * 4;
  const bool later_fragment = (quote.U16(6) & 0x1fff) != 0;
  const uint8_t protocol = quote.U8(9);
  if (header < kIpv4HeaderBytes || !quote.Has(header) || later_fragment ||
      (protocol != kProtocolIcmp && protocol != kProtocolTcp && protocol != kProtocolUdp)) {
    return false;
  }
  answer.quoted_ip_id = quote.U16(4);
  answer.quoted_ttl = quote.U8(8);
  answer.quoted_source = quote.V4(12);
  answer.target = quote.V4(16);
  return ReadQuotedTransport(quote.From(header), trusted - std::min(trusted, header), protocol,
                             answer);
}

// How long the IPv6 extension header `next` is that begins at `header`; 0: no such header, or the
// transport header is in another fragment. REQUIRES: header.Has(8).
size_t ExtensionHeaderBytes(uint8_t next, ByteView header) {
  switch (next) {
    case 0:    // hop-by-hop options
    case 43:   // routing
    case 60:   // destination options
    case 135:  // mobility
      return (size_t{header.U8(1)} + 1) * 8;
    case 44:  // fragment
      return (header.U16(2) & 0xfff8) == 0 ? 8 : 0;
    case 51:  // authentication
      return (size_t{header.U8(1)} + 2) * 4;
    default:
      return 0;
  }
}

bool ReadQuoteV6(ByteView quote, size_t trusted, Answer& answer) {
  if (!quote.Has(kIpv6HeaderBytes) || quote.U8(0) >> 4 != 6) {
    return false;
  }
  answer.quoted_ttl = quote.U8(7);
  answer.quoted_source = quote.V6(8);
  answer.target = quote.V6(24);
  uint8_t next = quote.U8(6);
  size_t at = kIpv6HeaderBytes;
  for (size_t headers = 0; next != kProtocolTcp && next != kProtocolUdp && next != kProtocolIcmpv6;
       ++headers) {
    if (headers == kMaxExtensionHeaders || !quote.Has(at + 8)) {
      return false;
    }
    const ByteView header = quote.From(at);
    const size_t length = ExtensionHeaderBytes(next, header);
    if (length == 0) {
      return false;
    }
    next = header.U8(0);
    at += length;
  }
  return quote.Has(at) &&
         ReadQuotedTransport(quote.From(at), trusted - std::min(trusted, at), next, answer);
}

bool ReadQuote(ByteView quote, size_t trusted, Answer& answer) {
  return answer.source.is_v4() ? ReadQuoteV4(quote, trusted, answer)
                               : ReadQuoteV6(quote, trusted, answer);
}

// nullopt: no error that ends a probe (source quench, packet too big, queries). A code that nobody
// has defined still says that the packet went no further.
std::optional<ErrorMeaning> MeaningV4(uint8_t type, uint8_t code) {
  switch (type) {
    case kUnreachableV4:
      switch (code) {
        case 2:   // protocol: like the next, what a filter that rejects says in the target's stead
        case 3:   // port
        case 9:   // network administratively prohibited
        case 10:  // host administratively prohibited
        case 13:  // communication administratively prohibited
        case 14:  // host precedence violation
        case 15:  // precedence cutoff
          return ErrorMeaning::kProhibited;
        case 4:  // fragmentation needed: cannot be about a packet as short as ours
          return std::nullopt;
        default:
          return ErrorMeaning::kUnreachable;
      }
    case kTimeExceededV4:  // code 1 is about reassembly: the packet arrived, but in part
      return code == 0 ? ErrorMeaning::kTimeExceeded : ErrorMeaning::kUnreachable;
    case kParameterProblemV4:
      return ErrorMeaning::kUnreachable;
    default:
      return std::nullopt;
  }
}

std::optional<ErrorMeaning> MeaningV6(uint8_t type, uint8_t code) {
  switch (type) {
    case kUnreachableV6:
      switch (code) {
        case 1:  // administratively prohibited
        case 4:  // port
        case 5:  // source address failed ingress/egress policy
          return ErrorMeaning::kProhibited;
        default:  // with code 6, reject route: the routing table says so, not a filter
          return ErrorMeaning::kUnreachable;
      }
    case kTimeExceededV6:
      return code == 0 ? ErrorMeaning::kTimeExceeded : ErrorMeaning::kUnreachable;
    case kParameterProblemV6:
      return ErrorMeaning::kUnreachable;
    default:
      return std::nullopt;
  }
}

std::optional<Answer> ReadError(const Answer& head, ByteView icmp) {
  const bool v4 = head.source.is_v4();
  const auto meaning =
      v4 ? MeaningV4(head.icmp_type, head.icmp_code) : MeaningV6(head.icmp_type, head.icmp_code);
  if (!meaning) {
    return std::nullopt;
  }
  Answer answer = head;
  answer.kind = AnswerKind::kError;
  answer.meaning = *meaning;
  const ByteView body = icmp.From(kIcmpHeaderBytes);
  // The length that RFC 4884 section 4 adds; ICMPv6 parameter problems have a pointer there.
  QuoteAndExtension parts{.quote = body, .trusted = body.size(), .mpls = {}};
  if (v4) {
    parts = SplitQuote(body, size_t{icmp.U8(5)} * 4);
  } else if (head.icmp_type != kParameterProblemV6) {
    parts = SplitQuote(body, size_t{icmp.U8(4)} * 8);
  }
  answer.mpls = parts.mpls;
  return ReadQuote(parts.quote, parts.trusted, answer) ? std::optional(answer) : std::nullopt;
}

// RFC 792.
std::optional<Answer> ReadRedirectV4(const Answer& head, ByteView icmp) {
  if (head.icmp_code > 3) {
    return std::nullopt;
  }
  Answer answer = head;
  answer.kind = AnswerKind::kRedirect;
  answer.gateway = icmp.V4(4);
  const ByteView quote = icmp.From(kIcmpHeaderBytes);
  return ReadQuote(quote, quote.size(), answer) ? std::optional(answer) : std::nullopt;
}

bool IsLinkLocal(const IpAddress& v6) {
  return v6.bytes()[0] == 0xfe && (v6.bytes()[1] & 0xc0) == 0x80;
}

// RFC 4861 sections 4.5 and 8.1: only a neighbour can redirect, and of which packet it speaks only
// the Redirected Header option tells.
std::optional<Answer> ReadRedirectV6(const Answer& head, ByteView icmp) {
  constexpr size_t kFixedBytes = 40;
  constexpr uint8_t kRedirectedHeader = 4;
  constexpr size_t kOptionHeaderBytes = 8;
  constexpr uint8_t kNeighbourHopLimit = 255;
  const bool from_neighbour =
      IsLinkLocal(head.source) && (head.ttl == kNeighbourHopLimit || head.ttl == 0);
  if (!from_neighbour || head.icmp_code != 0 || !icmp.Has(kFixedBytes)) {
    return std::nullopt;
  }
  std::optional<ByteView> quote;
  for (ByteView options = icmp.From(kFixedBytes); options.size() != 0;) {
    if (!options.Has(kOptionHeaderBytes)) {
      return std::nullopt;
    }
    const size_t length = size_t{options.U8(1)} * 8;
    if (length == 0 || !options.Has(length)) {
      return std::nullopt;
    }
    if (options.U8(0) == kRedirectedHeader && !quote) {
      quote = options.First(length).From(kOptionHeaderBytes);
    }
    options = options.From(length);
  }
  Answer answer = head;
  answer.kind = AnswerKind::kRedirect;
  answer.gateway = icmp.V6(8);
  const IpAddress destination = icmp.V6(24);
  if (!quote || !ReadQuote(*quote, quote->size(), answer) || answer.target != destination) {
    return std::nullopt;
  }
  return answer;
}

std::optional<Answer> ReadIcmp(const IpAddress& source, uint8_t ttl, ByteView icmp) {
  if (!icmp.Has(kIcmpHeaderBytes)) {
    return std::nullopt;
  }
  Answer head;
  head.source = source;
  head.ttl = ttl;
  head.icmp_type = icmp.U8(0);
  head.icmp_code = icmp.U8(1);
  const bool v4 = source.is_v4();
  if (head.icmp_type == (v4 ? kEchoReplyV4 : kEchoReplyV6)) {
    return ReadEchoReply(source, ttl, icmp);
  }
  if (head.icmp_type == (v4 ? kRedirectV4 : kRedirectV6)) {
    return v4 ? ReadRedirectV4(head, icmp) : ReadRedirectV6(head, icmp);
  }
  return ReadError(head, icmp);
}

}  // namespace

std::optional<Answer> ParseAnswerV4(std::span<const uint8_t> packet) {
  const ByteView ip(packet);
  if (!ip.Has(kIpv4HeaderBytes) || ip.U8(0) >> 4 != 4) {
    return std::nullopt;
  }
  const size_t header = size_t{ip.U8(0) & 0x0fu} * 4;
  const size_t total = ip.U16(2);
  const bool fragment = (ip.U16(6) & 0x3fff) != 0;  // more fragments, or an offset
  if (header < kIpv4HeaderBytes || total < header || !ip.Has(total) || fragment) {
    return std::nullopt;
  }
  const uint8_t ttl = ip.U8(8);
  const IpAddress source = ip.V4(12);
  const ByteView payload = ip.First(total).From(header);
  switch (ip.U8(9)) {
    case kProtocolTcp:
      return ReadTcp(source, ttl, payload);
    case kProtocolUdp:
      return ReadUdp(source, ttl, payload);
    case kProtocolIcmp:
      return OnesComplementSum(payload.span()) == 0xffff ? ReadIcmp(source, ttl, payload)
                                                         : std::nullopt;
    default:
      return std::nullopt;
  }
}

std::optional<Answer> ParseAnswerV6(const IpAddress& source, uint8_t protocol, uint8_t hop_limit,
                                    std::span<const uint8_t> payload) {
  const ByteView bytes(payload);
  if (source.is_v4()) {
    return std::nullopt;
  }
  switch (protocol) {
    case kProtocolTcp:
      return ReadTcp(source, hop_limit, bytes);
    case kProtocolUdp:
      return ReadUdp(source, hop_limit, bytes);
    case kProtocolIcmpv6:
      return ReadIcmp(source, hop_limit, bytes);
    default:
      return std::nullopt;
  }
}

Answer UdpReply(const IpAddress& source, uint8_t ttl, uint16_t port, uint16_t flow_port,
                std::span<const uint8_t> payload) {
  const ByteView bytes(payload);
  Answer answer = FromTarget(AnswerKind::kUdpReply, source, ttl, ProbeMethod::kUdp);
  answer.port = port;
  answer.flow_port = flow_port;
  answer.tag = ReadTag(bytes);
  answer.echoes_probe = EchoesProbe(bytes);
  return answer;
}

std::optional<Answer> ParseIcmp(const IpAddress& source, uint8_t ttl,
                                std::span<const uint8_t> message) {
  return ReadIcmp(source, ttl, ByteView(message));
}

}  // namespace parallax::sensor
