#include "common/config_text.h"

#include <algorithm>
#include <array>

namespace parallax {
namespace {

// Longer than any key of ours; bounds the quadratic distance.
constexpr size_t kLongestName = 64;
constexpr size_t kFar = 1000;
constexpr size_t kDeepestName = 16;

std::string_view LastPart(std::string_view name) { return name.substr(name.rfind('.') + 1); }

// Skips a TOML string that starts at `at` and returns the index behind it (or the end).
size_t SkipString(std::string_view text, size_t at) {
  const char quote = text[at];
  const std::string triple(3, quote);
  const bool multi_line = text.substr(at, 3) == triple;
  at += multi_line ? 3 : 1;
  while (at < text.size()) {
    if (quote == '"' && text[at] == '\\') {
      at += 2;
    } else if (multi_line && text.substr(at, 3) == triple) {
      return at + 3;
    } else if (!multi_line && (text[at] == quote || text[at] == '\n')) {
      return text[at] == '\n' ? at : at + 1;
    } else {
      ++at;
    }
  }
  return text.size();
}

}  // namespace

size_t EditDistance(std::string_view a, std::string_view b) {
  if (a.size() > kLongestName || b.size() > kLongestName) {
    return kFar;
  }
  // Optimal string alignment: three rows of the usual table.
  std::array<std::array<size_t, kLongestName + 1>, 3> rows;
  for (size_t j = 0; j <= b.size(); ++j) {
    rows[0][j] = j;
  }
  for (size_t i = 1; i <= a.size(); ++i) {
    auto& row = rows[i % 3];
    const auto& above = rows[(i - 1) % 3];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], rows[(i - 2) % 3][j - 2] + 1);
      }
    }
  }
  return rows[a.size() % 3][b.size()];
}

std::optional<std::string> NearestName(std::string_view unknown, const NameSet& known) {
  const std::string_view last = LastPart(unknown);
  std::optional<std::string> nearest;
  size_t least = std::max<size_t>(2, last.size() / 3) + 1;  // nothing this far is meant
  for (const std::string& name : known) {
    size_t distance = EditDistance(unknown, name);
    if (last == LastPart(name)) {
      distance = std::min<size_t>(distance, 1);
    }
    if (distance < least) {
      nearest = name;
      least = distance;
    }
  }
  return nearest;
}

std::string Printable(std::string_view text) {
  std::string out(text);
  std::replace_if(
      out.begin(), out.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  return out;
}

std::string Shorten(std::string_view text) {
  return text.size() <= kLongestName ? std::string(text)
                                     : std::string(text.substr(0, kLongestName)) + "...";
}

std::optional<size_t> FindTooDeepLine(std::string_view toml) {
  size_t dots = 0;  // since the last character that ends a key or value
  for (size_t at = 0; at < toml.size();) {
    const char c = toml[at];
    if (c == '"' || c == '\'') {
      at = SkipString(toml, at);
      continue;
    }
    if (c == '#') {
      at = std::min(toml.find('\n', at), toml.size());
      continue;
    }
    if (c == '.') {
      ++dots;
    } else if (std::string_view("=,{}[]\n").find(c) != std::string_view::npos) {
      dots = 0;
    }
    if (dots >= kDeepestName) {
      return 1 + static_cast<size_t>(std::count(toml.begin(), toml.begin() + at, '\n'));
    }
    ++at;
  }
  return std::nullopt;
}

}  // namespace parallax
