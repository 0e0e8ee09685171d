#include "common/siphash.h"

#include <sys/random.h>

#include <cstdlib>

namespace parallax {
namespace {

uint64_t LoadLittleEndian(const uint8_t* bytes, size_t count) {
  uint64_t word = 0;
  for (size_t i = 0; i < count; ++i) {
    word |= uint64_t{bytes[i]} << (8 * i);
  }
  return word;
}

}  // namespace

uint64_t SipHash24(const HashKey& key, std::span<const uint8_t> data) {
  SipState s(key);
  size_t at = 0;
  for (; at + 8 <= data.size(); at += 8) {
    s.Absorb<2>(LoadLittleEndian(data.data() + at, 8));
  }
  s.Absorb<2>(LoadLittleEndian(data.data() + at, data.size() - at) | uint64_t{data.size()} << 56);
  return s.Finish<4>();
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
