// Writes the golden answers as seeds for the fuzz target that is named.
//
//   answer_seeds answer_v4|answer_v6|answer_icmp|answer_stripped FOLDER
#include <algorithm>
#include <cstdio>
#include <exception>
#include <fstream>
#include <string>
#include <string_view>

#include "tests/unit/sensor/probe/wire/golden_answers.h"

namespace {

using parallax::sensor::test::GoldenAnswer;
using Bytes = std::vector<uint8_t>;

// An error or redirect without the headers that an unprivileged socket does not see. `icmp` is the
// input of answer_icmp.
Bytes Stripped(const Bytes& icmp) {
  const bool v4 = icmp[0] == 0;
  const size_t message = 2 + (v4 ? 4u : 16u);
  const size_t quote = message + 8;
  if (icmp.size() < quote + (v4 ? 28u : 48u)) {
    return {};
  }
  const uint8_t protocol = icmp[quote + (v4 ? 9 : 6)];
  const size_t transport = quote + (v4 ? (icmp[quote] & 15u) * 4u : 40u);
  if (transport >= icmp.size()) {
    return {};
  }
  const size_t rest = icmp.size() - transport;
  const size_t header = protocol == 17 ? std::min<size_t>(8, rest) : 0;
  Bytes seed = {icmp[0], icmp[1], icmp[message], icmp[message + 1], protocol};
  seed.insert(seed.end(), icmp.begin() + static_cast<std::ptrdiff_t>(message) + 4,
              icmp.begin() + static_cast<std::ptrdiff_t>(message) + 8);
  seed.push_back(static_cast<uint8_t>(header));
  seed.push_back(static_cast<uint8_t>(std::min<size_t>(rest - header, 255)));
  seed.insert(seed.end(), icmp.begin() + static_cast<std::ptrdiff_t>(transport), icmp.end());
  return seed;
}

// The input that makes `target` parse the case; empty: it cannot.
Bytes Seed(std::string_view target, const GoldenAnswer& golden) {
  if (target == "answer_stripped") {
    const Bytes icmp = Seed("answer_icmp", golden);
    return icmp.empty() ? icmp : Stripped(icmp);
  }
  const auto address = golden.source.bytes();
  Bytes head;
  if (target == "answer_v4" && golden.input == GoldenAnswer::Input::kIpv4) {
    return golden.packet;
  }
  if (target == "answer_v6" && golden.input == GoldenAnswer::Input::kIpv6) {
    head = Bytes(40);
    head[0] = 0x60;
    head[6] = golden.protocol;
    head[7] = golden.ttl;
    std::copy(address.begin(), address.end(), head.begin() + 8);
  } else if (target == "answer_icmp" && golden.input != GoldenAnswer::Input::kIpv4 &&
             (golden.input == GoldenAnswer::Input::kIcmp || golden.protocol == 58)) {
    head = {static_cast<uint8_t>(golden.source.is_v4() ? 0 : 1), golden.ttl};
    head.insert(head.end(), address.begin(), address.end());
  } else if (target == "answer_icmp" && golden.packet.size() > 20 && golden.packet[9] == 1) {
    const Bytes& packet = golden.packet;
    head = {0, packet[8]};
    head.insert(head.end(), packet.begin() + 12, packet.begin() + 16);
    head.insert(head.end(), packet.begin() + 20, packet.end());
    return head;
  } else {
    return {};
  }
  head.insert(head.end(), golden.packet.begin(), golden.packet.end());
  return head;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: answer_seeds answer_v4|answer_v6|answer_icmp|answer_stripped FOLDER\n",
               stderr);
    return 2;
  }
  try {
    size_t number = 0;
    for (const GoldenAnswer& golden :
         parallax::sensor::test::ReadGoldenAnswers(PARALLAX_ANSWER_DATA)) {
      const Bytes seed = Seed(argv[1], golden);
      if (seed.empty()) {
        continue;
      }
      std::ofstream out(std::string(argv[2]) + "/golden" + std::to_string(number++),
                        std::ios::binary);
      out.write(reinterpret_cast<const char*>(seed.data()),
                static_cast<std::streamsize>(seed.size()));
    }
    return number > 0 ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
