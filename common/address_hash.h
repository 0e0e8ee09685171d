// The keyed hash of an address, for tables and sketches that are asked for every SYN. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "common/ip.h"
#include "common/siphash.h"

namespace parallax {

inline uint64_t AddressHash(const HashKey& key, const IpAddress& address) {
  const auto bytes = address.bytes();
  if (address.is_v4()) {
    std::array<uint64_t, 1> word{uint64_t{4} << 56};
    std::memcpy(word.data(), bytes.data(), 4);
    return SipHash13(key, word);
  }
  std::array<uint64_t, 3> words{0, 0, uint64_t{6} << 56};
  std::memcpy(words.data(), bytes.data(), 16);
  return SipHash13(key, words);
}

}  // namespace parallax
