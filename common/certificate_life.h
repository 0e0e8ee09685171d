// How long before its making a certificate says that it began, and back again. Pure.
#pragma once

#include <algorithm>

#include "common/time.h"

namespace parallax {

// For hosts whose clock is a little behind; but never more than a tenth of the certificate's life.
inline constexpr Duration kLongestBackdate = std::chrono::minutes(5);

inline Duration BackdateOf(Duration life) { return std::min(kLongestBackdate, life / 10); }

// When a certificate with these dates was made. One whose end was cut to its CA's looks older than
// it is, never younger.
inline WallTime IssuedAt(WallTime not_before, WallTime not_after) {
  return not_before + std::min(kLongestBackdate, (not_after - not_before) / 11);
}

}  // namespace parallax
