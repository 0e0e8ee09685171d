// An IPv6 packet without extension headers: from its header the fuzz target takes what a raw IPv6
// socket tells beside the payload.
#include "tests/fuzz/answer_rules.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace parallax;
  using namespace parallax::sensor;
  constexpr size_t kHeader = 40;
  if (size < kHeader) {
    return 0;
  }
  const uint8_t protocol = data[6];
  const uint8_t hop_limit = data[7];
  const IpAddress source = *IpAddress::FromBytes({data + 8, 16});
  const fuzz::View payload(data + kHeader, size - kHeader);
  const auto answer = ParseAnswerV6(source, protocol, hop_limit, payload);
  if (protocol == kProtocolIcmpv6) {
    fuzz::CheckIcmp(source, hop_limit, payload, answer);
  } else if (protocol == kProtocolTcp || protocol == kProtocolUdp) {
    fuzz::CheckTransport(source, hop_limit, payload, protocol == kProtocolTcp, answer);
    if (!payload.empty()) {
      const auto cut = payload.first(payload.size() - 1 - payload.back() % payload.size());
      const auto less = ParseAnswerV6(source, protocol, hop_limit, cut);
      // An ACK is one because nothing follows. What is cut off here the kernel never cuts off.
      const bool ack = less && less->kind == AnswerKind::kAck;
      Require(!less || ack || fuzz::Same(less, answer), "a cut says the same or nothing");
    }
  } else {
    Require(!answer, "no answer is of another protocol");
  }
  Require(!ParseAnswerV6(IpAddress(), protocol, hop_limit, payload), "IPv4 sends no IPv6");
  return 0;
}
