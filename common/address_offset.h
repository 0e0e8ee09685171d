// Addresses as numbers: the one so many further on.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "common/ip.h"

namespace parallax {

// Behind the last address of the family comes the first.
inline IpAddress Plus(const IpAddress& address, uint64_t offset) {
  std::array<uint8_t, 16> bytes{};
  const auto from = address.bytes();
  std::copy(from.begin(), from.end(), bytes.begin());
  for (size_t i = from.size(); i-- > 0 && offset != 0;) {
    offset += bytes[i];
    bytes[i] = static_cast<uint8_t>(offset);
    offset >>= 8;
  }
  return *IpAddress::FromBytes(std::span(bytes).first(from.size()));
}

}  // namespace parallax
