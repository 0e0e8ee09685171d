#include "common/siphash.h"

#include <sys/random.h>

#include <bit>
#include <cstdlib>
#include <cstring>

namespace parallax {
namespace {

struct State {
  uint64_t v0, v1, v2, v3;

  void Round() {
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
  }

  void Absorb(uint64_t word) {
    v3 ^= word;
    Round();
    Round();
    v0 ^= word;
  }
};

uint64_t LoadLittleEndian(const uint8_t* bytes, size_t count) {
  uint64_t word = 0;
  for (size_t i = 0; i < count; ++i) {
    word |= uint64_t{bytes[i]} << (8 * i);
  }
  return word;
}

}  // namespace

uint64_t SipHash24(const HashKey& key, std::span<const uint8_t> data) {
  State s{key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du, key[0] ^ 0x6c7967656e657261u,
          key[1] ^ 0x7465646279746573u};
  size_t at = 0;
  for (; at + 8 <= data.size(); at += 8) {
    s.Absorb(LoadLittleEndian(data.data() + at, 8));
  }
  s.Absorb(LoadLittleEndian(data.data() + at, data.size() - at) | uint64_t{data.size()} << 56);
  s.v2 ^= 0xff;
  for (int i = 0; i < 4; ++i) {
    s.Round();
  }
  return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

HashKey RandomHashKey() {
  HashKey key{};
  if (getrandom(key.data(), sizeof key, 0) != static_cast<ssize_t>(sizeof key)) {
    std::abort();  // a kernel without randomness cannot run anything here safely
  }
  return key;
}

const HashKey& ProcessHashKey() {
  static const HashKey key = RandomHashKey();
  return key;
}

}  // namespace parallax
