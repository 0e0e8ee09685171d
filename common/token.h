// Join tokens: what a new sensor shows to be let in. 256 random bits; a collector keeps only their
// SHA-256. Thread-safe: no state.
#pragma once

#include <string>
#include <string_view>

#include "common/result.h"

namespace parallax {

// "plx_" and 64 lower-case hex digits.
Result<std::string> MakeToken();
bool IsToken(std::string_view text);
// What a token is stored as: 64 lower-case hex digits.
std::string TokenSha256(std::string_view token);

// A short public name for a token, 8 hex digits: for lists and logs.
Result<std::string> MakeTokenId();

}  // namespace parallax
