// SipHash-2-4 (Aumasson and Bernstein, 2012): the keyed hash for every table whose keys come off
// the wire, and the tag that tells our own probes from forgeries. Pure.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace parallax {

using HashKey = std::array<uint64_t, 2>;

uint64_t SipHash24(const HashKey& key, std::span<const uint8_t> data);

// SipHash-1-3 of whole words, little-endian: the same with fewer rounds, as kernels and languages
// use it for hash tables, where a collision costs time and nothing else. Three times as fast; not
// for tags. The last word's highest byte tells messages of different lengths apart: it must be the
// same for all of one length and differ between lengths.
template <size_t kWords>
uint64_t SipHash13(const HashKey& key, const std::array<uint64_t, kWords>& words) {
  uint64_t v0 = key[0] ^ 0x736f6d6570736575u;
  uint64_t v1 = key[1] ^ 0x646f72616e646f6du;
  uint64_t v2 = key[0] ^ 0x6c7967656e657261u;
  uint64_t v3 = key[1] ^ 0x7465646279746573u;
  const auto round = [&] {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  };
  for (const uint64_t word : words) {
    v3 ^= word;
    round();
    v0 ^= word;
  }
  v2 ^= 0xff;
  round();
  round();
  round();
  return v0 ^ v1 ^ v2 ^ v3;
}

// 16 bytes from the kernel's random source, drawn anew at each call.
HashKey RandomHashKey();

// One random key for the life of the process, drawn at first use; thread-safe.
const HashKey& ProcessHashKey();

}  // namespace parallax
