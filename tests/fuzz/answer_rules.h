// What holds for every answer that the parsers of sensor/probe/wire/answer.h accept, for the fuzz
// targets of each of them. Where the bytes stand is said here once more, from the RFCs.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <tuple>
#include <vector>

#include "sensor/probe/wire/answer.h"
#include "sensor/probe/wire/packet.h"
#include "tests/fuzz/require.h"

namespace parallax::sensor::fuzz {

using View = std::span<const uint8_t>;

inline uint32_t Number(View bytes, size_t at, size_t size) {
  uint32_t value = 0;
  for (size_t i = 0; i < size; ++i) {
    value = value << 8 | bytes[at + i];
  }
  return value;
}

// Which probe is answered, and how: what a cut must not change.
inline auto Identity(const Answer& a) {
  return std::tuple(a.kind, a.source, a.ttl, a.target, a.method, a.port, a.flow_port, a.sequence,
                    a.icmp_type, a.icmp_code, a.meaning, a.quoted_source, a.quoted_ttl,
                    a.quoted_ip_id, a.quoted_checksum, a.gateway);
}

inline bool SameTag(const std::optional<PayloadTag>& a, const std::optional<PayloadTag>& b) {
  return a.has_value() == b.has_value() && (!a || (a->probe_id == b->probe_id && a->tag == b->tag));
}

inline bool Same(const std::optional<Answer>& a, const std::optional<Answer>& b) {
  return a.has_value() == b.has_value() &&
         (!a || (Identity(*a) == Identity(*b) && SameTag(a->tag, b->tag) && a->mpls == b->mpls));
}

inline void CheckFields(const Answer& a, const IpAddress& source, uint8_t ttl) {
  Require(a.source == source && a.ttl == ttl, "source and TTL are the packet's");
  Require(a.target.family() == source.family(), "the target is of the source's family");
  const bool icmp = a.method == ProbeMethod::kIcmpEcho;
  const bool tcp = a.method == ProbeMethod::kTcpSyn;
  Require(!icmp || a.port == 0, "an echo request has no port");
  Require(tcp || a.sequence <= 0xffff, "ICMP and UDP have sequences of 16 bits");
  Require(!a.tag || (!tcp && (a.tag->probe_id != 0 || a.tag->tag != 0)), "a tag is something");
  Require(a.mpls.count <= MplsStack::kMost, "no more labels than there is room for");
  for (size_t i = 0; i < MplsStack::kMost; ++i) {
    const MplsLabel& label = a.mpls.labels[i];
    Require(
        i < a.mpls.count ? label.label < 1u << 20 && label.traffic_class < 8 : label == MplsLabel(),
        "labels have 20 bits, classes 3, and there is none behind the last");
  }
  const Answer none;
  const bool quotes = a.kind == AnswerKind::kError || a.kind == AnswerKind::kRedirect;
  if (quotes) {
    Require(a.quoted_source.family() == source.family(), "the quote is of the source's family");
    Require(a.quoted_checksum.has_value() == !tcp, "8 bytes of TCP have no checksum");
    Require(a.method != ProbeMethod::kUdp || a.sequence == *a.quoted_checksum,
            "of UDP the checksum is the sequence");
    Require(source.is_v4() || a.quoted_ip_id == 0, "IPv6 has no identification");
  } else {
    Require(a.target == source, "a target answers for itself");
    Require(a.icmp_type == 0 && a.icmp_code == 0 && a.quoted_source == none.quoted_source &&
                a.quoted_ttl == 0 && a.quoted_ip_id == 0 && !a.quoted_checksum &&
                a.meaning == none.meaning,
            "what is no error quotes nothing");
  }
  Require(a.kind == AnswerKind::kError || a.mpls == none.mpls, "only errors have labels");
  Require(a.kind == AnswerKind::kRedirect ? a.gateway.family() == source.family()
                                          : a.gateway == none.gateway,
          "redirects have a gateway, and only they");
  const bool segment =
      a.kind == AnswerKind::kSynAck || a.kind == AnswerKind::kReset || a.kind == AnswerKind::kAck;
  Require(!segment || tcp, "segments answer SYNs");
  Require(a.kind != AnswerKind::kEchoReply || icmp, "echo replies answer echo requests");
  Require(a.kind != AnswerKind::kUdpReply || a.method == ProbeMethod::kUdp, "datagrams answer UDP");
}

// The quote within an accepted error or redirect, from its IP header on.
inline View QuoteIn(const Answer& a, View message) {
  if (a.kind == AnswerKind::kError || a.source.is_v4()) {
    return message.subspan(8);
  }
  size_t at = 40;
  while (message[at] != 4) {
    at += size_t{message[at + 1]} * 8;
  }
  return message.subspan(at + 8, size_t{message[at + 1]} * 8 - 8);
}

inline void CheckQuote(const Answer& a, View message) {
  const View quote = QuoteIn(a, message);
  const bool v4 = a.source.is_v4();
  const size_t address = v4 ? 4 : 16;
  const size_t from = v4 ? 12 : 8;
  Require(quote.size() >= (v4 ? 28u : 48u), "8 transport bytes are quoted");
  Require(quote[0] >> 4 == (v4 ? 4 : 6), "the quote is of the right version");
  Require(std::ranges::equal(quote.subspan(from, address), a.quoted_source.bytes()) &&
              std::ranges::equal(quote.subspan(from + address, address), a.target.bytes()),
          "the quoted addresses are where they belong");
  Require(a.quoted_ttl == quote[v4 ? 8 : 7], "so is the TTL");
  const uint8_t protocol = a.method == ProbeMethod::kTcpSyn ? kProtocolTcp
                           : a.method == ProbeMethod::kUdp  ? kProtocolUdp
                           : v4                             ? kProtocolIcmp
                                                            : kProtocolIcmpv6;
  size_t at = 40;
  if (v4) {
    at = size_t{quote[0] & 0x0fu} * 4;
    Require(quote[9] == protocol, "the quoted protocol is the probe's");
    Require((Number(quote, 6, 2) & 0x1fff) == 0, "a later fragment has no transport header");
    Require(a.quoted_ip_id == Number(quote, 4, 2), "so is the identification");
  } else if (quote[6] != protocol) {
    return;  // behind extension headers
  }
  Require(quote.size() >= at + 8, "8 transport bytes are quoted behind the options");
  const bool icmp = a.method == ProbeMethod::kIcmpEcho;
  Require(a.flow_port == Number(quote, at + (icmp ? 4 : 0), 2), "the flow is where it belongs");
  Require(icmp || a.port == Number(quote, at + 2, 2), "so is the port");
  Require(!icmp || Number(quote, at, 2) == (v4 ? 0x0800u : 0x8000u), "an echo request is quoted");
}

// The length of the quote that an error states (RFC 4884) leaves it open where the quote ends.
inline bool QuoteEndIsDoubtful(const IpAddress& source, View message) {
  const size_t stated = source.is_v4() ? size_t{message[5]} * 4 : size_t{message[4]} * 8;
  return stated < 128;
}

// An ICMP message that begins with its type, whoever has parsed it: `answer` is what was read.
inline void CheckIcmp(const IpAddress& source, uint8_t ttl, View message,
                      const std::optional<Answer>& answer) {
  Require(Same(answer, ParseIcmp(source, ttl, message)), "every parser reads ICMP alike");
  const bool v6_redirect = !source.is_v4() && !message.empty() && message[0] == 137;
  if (answer) {
    CheckFields(*answer, source, ttl);
    Require(message.size() >= 8, "an ICMP message has a header");
    if (answer->kind == AnswerKind::kEchoReply) {
      Require(message[0] == (source.is_v4() ? 0 : 129) && message[1] == 0, "an echo reply");
      Require(
          answer->flow_port == Number(message, 4, 2) && answer->sequence == Number(message, 6, 2),
          "identifier and sequence are where they belong");
    } else {
      Require(answer->icmp_type == message[0] && answer->icmp_code == message[1], "type and code");
      Require((answer->kind == AnswerKind::kRedirect) == (message[0] == (source.is_v4() ? 5 : 137)),
              "a redirect is one");
      CheckQuote(*answer, message);
    }
    Require((answer->meaning == ErrorMeaning::kTimeExceeded) ==
                (answer->kind == AnswerKind::kError && message[0] == (source.is_v4() ? 11 : 3) &&
                 message[1] == 0),
            "the TTL has run out if, and only if, type and code say so");
  }

  // Less of it says nothing else, though the tag or the labels may be gone.
  if (!message.empty()) {
    const View cut = message.first(message.size() - 1 - message.back() % message.size());
    const auto less = ParseIcmp(source, ttl, cut);
    if (less && answer) {
      Require(Identity(*less) == Identity(*answer), "a cut changes no meaning");
      Require(!less->tag || !answer->tag || SameTag(less->tag, answer->tag), "nor the tag");
    } else if (less && !v6_redirect) {
      Require(less->kind == AnswerKind::kError && QuoteEndIsDoubtful(source, message),
              "a cut makes nothing of what was nothing");
    }
  }

  // Routers and NATs change what they quote: of IPv4 DSCP, total length and checksum; of IPv6
  // traffic class, flow label and payload length. None of it counts.
  if (answer && answer->kind == AnswerKind::kError && !QuoteEndIsDoubtful(source, message)) {
    std::vector<uint8_t> altered(message.begin(), message.end());
    for (const size_t at : source.is_v4() ? std::array<size_t, 4>{9, 10, 11, 18}
                                          : std::array<size_t, 4>{9, 10, 12, 13}) {
      altered[at] ^= static_cast<uint8_t>(message.back() | 1);
    }
    Require(Same(answer, ParseIcmp(source, ttl, altered)), "an altered quote says the same");
  }
}

// A TCP segment or UDP datagram from its header on.
inline void CheckTransport(const IpAddress& source, uint8_t ttl, View bytes, bool tcp,
                           const std::optional<Answer>& answer) {
  if (!answer) {
    return;
  }
  CheckFields(*answer, source, ttl);
  Require(bytes.size() >= (tcp ? 20u : 8u), "there is a whole header");
  Require(answer->port == Number(bytes, 0, 2) && answer->flow_port == Number(bytes, 2, 2),
          "the ports are where they belong");
  if (tcp) {
    const unsigned flags = bytes[13];
    const AnswerKind expected = (flags & 0x04) != 0   ? AnswerKind::kReset
                                : (flags & 0x02) != 0 ? AnswerKind::kSynAck
                                                      : AnswerKind::kAck;
    Require((flags & 0x10) != 0 && answer->kind == expected, "it acknowledges a SYN");
    Require(expected != AnswerKind::kAck ||
                ((flags & 0x01) == 0 && bytes.size() == size_t{bytes[12]} / 16 * 4),
            "an ACK is nothing else");
    Require(answer->sequence + 1 == Number(bytes, 8, 4), "the sequence is the acknowledged one");
    Require(!answer->tag, "segments have no payload");
  } else {
    Require(answer->kind == AnswerKind::kUdpReply && answer->sequence == 0, "a datagram");
    Require(!answer->tag || Number(bytes, 4, 2) >= 24, "the tag is within the datagram");
  }
}

}  // namespace parallax::sensor::fuzz
