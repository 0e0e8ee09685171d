#include "common/siphash.h"

#include <gtest/gtest.h>

#include <array>
#include <set>
#include <utility>
#include <vector>

namespace parallax {
namespace {

// The reference vectors of the SipHash authors (key 00 01 .. 0f, input 00 01 .. n-1), with
// OpenSSL's own SIPHASH as a second opinion.
TEST(SipHash24, ReferenceVectors) {
  constexpr HashKey kKey{0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
  constexpr std::array<std::pair<size_t, uint64_t>, 9> kVectors{{
      {0, 0x726fdb47dd0e0e31u},
      {1, 0x74f839c593dc67fdu},
      {2, 0x0d6c8009d9a94f5au},
      {3, 0x85676696d7fb7e2du},
      {7, 0xab0200f58b01d137u},
      {8, 0x93f5f5799a932462u},
      {15, 0xa129ca6149be45e5u},
      {16, 0x3f2acc7f57c29bdbu},
      {63, 0x958a324ceb064572u},
  }};
  std::vector<uint8_t> input;
  for (int i = 0; i < 64; ++i) {
    input.push_back(static_cast<uint8_t>(i));
  }
  for (const auto& [length, expected] : kVectors) {
    EXPECT_EQ(SipHash24(kKey, std::span(input).first(length)), expected) << length;
  }
}

TEST(SipHash24, KeyMatters) {
  const std::array<uint8_t, 4> data{192, 0, 2, 1};
  std::set<uint64_t> hashes;
  for (int i = 0; i < 100; ++i) {
    hashes.insert(SipHash24(RandomHashKey(), data));
  }
  EXPECT_EQ(hashes.size(), 100u);
}

TEST(ProcessHashKey, StaysTheSame) { EXPECT_EQ(ProcessHashKey(), ProcessHashKey()); }

}  // namespace
}  // namespace parallax
