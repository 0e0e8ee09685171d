#include "common/fingerprint.h"

namespace parallax {
namespace {

constexpr std::string_view kPrefix = "sha256:";
constexpr size_t kDigits = 64;

}  // namespace

std::optional<std::string> ParseFingerprint(std::string_view text) {
  if (!text.starts_with(kPrefix)) {
    return std::nullopt;
  }
  text.remove_prefix(kPrefix.size());
  std::string digits;
  for (size_t i = 0; i < text.size() && digits.size() <= kDigits; ++i) {
    const char c = text[i];
    const bool between = i % 3 == 2 && text.size() == kDigits / 2 * 3 - 1;
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')) {
      digits += c;
    } else if (c >= 'A' && c <= 'F') {
      digits += static_cast<char>(c - 'A' + 'a');
    } else if (c != ':' || !between) {
      return std::nullopt;
    }
  }
  return digits.size() == kDigits ? std::optional(digits) : std::nullopt;
}

std::string FormatFingerprint(std::string_view digits) {
  return std::string(kPrefix) + std::string(digits);
}

}  // namespace parallax
