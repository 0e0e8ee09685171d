// An ICMP or ICMPv6 message alone. The first byte of the input picks the family, the second is the
// TTL, 4 or 16 bytes are the source, and the rest is the message.
#include "tests/fuzz/answer_rules.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace parallax;
  using namespace parallax::sensor;
  if (size < 2) {
    return 0;
  }
  const size_t address = data[0] % 2 == 0 ? 4 : 16;
  if (size < 2 + address) {
    return 0;
  }
  const uint8_t ttl = data[1];
  const IpAddress source = *IpAddress::FromBytes({data + 2, address});
  const fuzz::View message(data + 2 + address, size - 2 - address);
  fuzz::CheckIcmp(source, ttl, message, ParseIcmp(source, ttl, message));
  return 0;
}
