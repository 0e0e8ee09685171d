// SHA-256 fingerprints as people read and write them: "sha256:" and 64 hex digits. Pure. Inside the
// programs a fingerprint is its 64 lower-case digits alone.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace parallax {

// Also with colons between the bytes and in capitals, as other tools print them.
std::optional<std::string> ParseFingerprint(std::string_view text);
std::string FormatFingerprint(std::string_view digits);

}  // namespace parallax
