// An ICMP error as the error queue of an unprivileged socket gives it. Of the input
//   byte 0      the family          byte 4      the quoted protocol
//   byte 1      TTL                 bytes 5-8   the second word of the ICMP header
//   byte 2, 3   type and code       byte 9      so many bytes that follow are the transport header,
//                                   byte 10     so many the rest of the quote
// and what is left is the extension. The addresses are always the same.
#include <algorithm>

#include "sensor/probe/wire/stripped_error.h"
#include "tests/fuzz/answer_rules.h"

namespace {

using namespace parallax;
using namespace parallax::sensor;

fuzz::View Take(fuzz::View& rest, size_t most) {
  const fuzz::View taken = rest.first(std::min(most, rest.size()));
  rest = rest.subspan(taken.size());
  return taken;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kHead = 11;
  if (size < kHead) {
    return 0;
  }
  const bool v4 = data[0] % 2 == 0;
  StrippedError error;
  error.reporter = *IpAddress::Parse(v4 ? "203.0.113.1" : "2001:db8:113::1");
  error.destination = *IpAddress::Parse(v4 ? "192.0.2.10" : "2001:db8::10");
  error.target = *IpAddress::Parse(v4 ? "198.51.100.7" : "2001:db8:51::7");
  error.ttl = data[1];
  error.type = data[2];
  error.code = data[3];
  error.protocol = data[4];
  fuzz::View rest(data, size);
  error.info = fuzz::Number(rest, 5, 4);
  rest = rest.subspan(kHead);
  error.header = Take(rest, data[9]);
  error.quote = Take(rest, data[10]);
  error.extension = rest;
  const auto answer = ReadStrippedError(error);
  if (!answer) {
    return 0;
  }
  fuzz::CheckFields(*answer, error.reporter, error.ttl);
  Require(answer->kind == AnswerKind::kError || answer->kind == AnswerKind::kRedirect,
          "it is an error or a redirect");
  Require(answer->target == error.target && answer->quoted_source == error.destination,
          "whose addresses are the ones that are known");
  Require(answer->icmp_type == error.type && answer->icmp_code == error.code,
          "type and code are as they were said");
  Require(answer->quoted_ttl == 1 && answer->quoted_ip_id == 0,
          "nothing is made up of the quoted IP header");
  const fuzz::View first = error.header.empty() ? error.quote : error.header;
  if ((error.protocol == kProtocolTcp || error.protocol == kProtocolUdp) && first.size() >= 4) {
    Require(
        answer->flow_port == fuzz::Number(first, 0, 2) && answer->port == fuzz::Number(first, 2, 2),
        "the ports are where they belong");
  }
  // What follows the extension's end, or a longer quote, changes nothing about which probe it is.
  StrippedError without = error;
  without.extension = {};
  const auto plain = ReadStrippedError(without);
  Require(plain && fuzz::Identity(*plain) == fuzz::Identity(*answer),
          "an extension does not change which probe is meant");
  return 0;
}
