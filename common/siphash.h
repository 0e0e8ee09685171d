// SipHash (Aumasson and Bernstein, 2012): the keyed hash for every table whose keys come off the
// wire, and the tag that tells our own probes from forgeries. Pure.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace parallax {

using HashKey = std::array<uint64_t, 2>;

// The state that all members of the family share.
class SipState {
 public:
  explicit SipState(const HashKey& key)
      : v0_(key[0] ^ 0x736f6d6570736575u),
        v1_(key[1] ^ 0x646f72616e646f6du),
        v2_(key[0] ^ 0x6c7967656e657261u),
        v3_(key[1] ^ 0x7465646279746573u) {}

  template <int kRounds>
  void Absorb(uint64_t word) {
    v3_ ^= word;
    Rounds<kRounds>();
    v0_ ^= word;
  }
  template <int kRounds>
  uint64_t Finish() {
    v2_ ^= 0xff;
    Rounds<kRounds>();
    return v0_ ^ v1_ ^ v2_ ^ v3_;
  }

 private:
  template <int kRounds>
  void Rounds() {
    for (int i = 0; i < kRounds; ++i) {
      v0_ += v1_;
      v1_ = std::rotl(v1_, 13) ^ v0_;
      v0_ = std::rotl(v0_, 32);
      v2_ += v3_;
      v3_ = std::rotl(v3_, 16) ^ v2_;
      v0_ += v3_;
      v3_ = std::rotl(v3_, 21) ^ v0_;
      v2_ += v1_;
      v1_ = std::rotl(v1_, 17) ^ v2_;
      v2_ = std::rotl(v2_, 32);
    }
  }

  uint64_t v0_, v1_, v2_, v3_;
};

uint64_t SipHash24(const HashKey& key, std::span<const uint8_t> data);

// SipHash-1-3 of whole words, little-endian: the same with fewer rounds, as kernels and languages
// use it for hash tables, where a collision costs time and nothing else. Three times as fast; not
// for tags. The last word's highest byte tells messages of different lengths apart: it must be the
// same for all of one length and differ between lengths.
template <size_t kWords>
uint64_t SipHash13(const HashKey& key, const std::array<uint64_t, kWords>& words) {
  SipState s(key);
  for (const uint64_t word : words) {
    s.Absorb<1>(word);
  }
  return s.Finish<3>();
}

// 16 bytes from the kernel's random source, drawn anew at each call.
HashKey RandomHashKey();

// One random key for the life of the process, drawn at first use; thread-safe.
const HashKey& ProcessHashKey();

}  // namespace parallax
