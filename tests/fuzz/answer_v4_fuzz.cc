// A packet as a raw IPv4 socket delivers it, and once more with the ICMP checksum put right.
#include "tests/fuzz/answer_rules.h"

namespace parallax::sensor {
namespace {

using fuzz::View;

void Check(View packet) {
  const auto answer = ParseAnswerV4(packet);
  if (packet.size() < 20) {
    Require(!answer, "an IPv4 packet has a header");
    return;
  }
  const size_t header = size_t{packet[0] & 0x0fu} * 4;
  const size_t total = fuzz::Number(packet, 2, 2);
  const bool whole = packet[0] >> 4 == 4 && header >= 20 && total >= header &&
                     total <= packet.size() && (fuzz::Number(packet, 6, 2) & 0x3fff) == 0;
  Require(!answer || whole, "what is accepted is a whole packet");
  if (!whole) {
    return;
  }
  const IpAddress source = *IpAddress::FromBytes(packet.subspan(12, 4));
  const View payload = packet.subspan(header, total - header);
  Require(fuzz::Same(answer, ParseAnswerV4(packet.first(total))), "padding says nothing");
  Require(total == 0 || !ParseAnswerV4(packet.first(total - 1)), "a packet cut short is none");
  if (packet[9] == kProtocolIcmp) {
    if (OnesComplementSum(payload) == 0xffff) {
      fuzz::CheckIcmp(source, packet[8], payload, answer);
    } else {
      Require(!answer, "what is accepted has a valid checksum");
    }
  } else if (packet[9] == kProtocolTcp || packet[9] == kProtocolUdp) {
    fuzz::CheckTransport(source, packet[8], payload, packet[9] == kProtocolTcp, answer);
    const auto v6 =
        ParseAnswerV6(IpAddress::V6(std::array<uint8_t, 16>{1}), packet[9], packet[8], payload);
    Require(answer.has_value() == v6.has_value(), "both families read TCP and UDP alike");
  } else {
    Require(!answer, "no answer is of another protocol");
  }
}

// Else nearly everything a fuzzer makes up is thrown away at once.
std::vector<uint8_t> Sealed(View packet) {
  std::vector<uint8_t> sealed(packet.begin(), packet.end());
  if (sealed.size() < 20) {
    return sealed;
  }
  const size_t header = size_t{sealed[0] & 0x0fu} * 4;
  const size_t total = std::min<size_t>(fuzz::Number(packet, 2, 2), sealed.size());
  if (total >= header + 4) {
    const View payload = View(sealed).subspan(header, total - header);
    sealed[header + 2] = sealed[header + 3] = 0;
    const uint16_t sum = OnesComplementSum(payload);
    sealed[header + 2] = static_cast<uint8_t>(~sum >> 8);
    sealed[header + 3] = static_cast<uint8_t>(~sum);
  }
  return sealed;
}

}  // namespace
}  // namespace parallax::sensor

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace parallax::sensor;
  Check({data, size});
  Check(Sealed({data, size}));
  return 0;
}
