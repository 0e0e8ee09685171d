#include "collector/cli/words.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "common/time.h"

namespace parallax::cli {

Colour ColourOfVerdict(std::string_view verdict) {
  if (verdict == "healthy") {
    return Colour::kGreen;
  }
  if (verdict == "route_anomaly") {
    return Colour::kRed;
  }
  return verdict == "unknown" ? Colour::kDim : Colour::kYellow;
}

Colour ColourOfIncident(std::string_view state) {
  if (state == "open") {
    return Colour::kRed;
  }
  return state == "closed" ? Colour::kGreen : Colour::kYellow;
}

Colour ColourOfSensor(std::string_view state) {
  if (state == "connected") {
    return Colour::kGreen;
  }
  return state == "lost" || state == "isolated" ? Colour::kRed : Colour::kYellow;
}

Colour ColourOfReach(std::string_view reach) {
  if (reach == "up") {
    return Colour::kGreen;
  }
  if (reach == "down") {
    return Colour::kRed;
  }
  return reach == "unknown" ? Colour::kDim : Colour::kYellow;
}

std::string_view SymbolOfReach(std::string_view reach) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kSymbols = {
      {{"up", "."}, {"down", "X"}, {"lossy", "~"}, {"policy", "P"}}};
  for (const auto& [name, symbol] : kSymbols) {
    if (name == reach) {
      return symbol;
    }
  }
  return "?";
}

std::string Clock(uint64_t time) {
  if (time == 0) {
    return "-";
  }
  const std::string text = FormatRfc3339(FromUnixNanos(static_cast<int64_t>(time)));
  return fmt::format("{} {}Z", text.substr(0, 10), text.substr(11, 8));
}

std::string Span(uint64_t from, uint64_t to) {
  return FormatAge(Duration(to > from ? static_cast<int64_t>(to - from) : 0));
}

std::string Bytes(uint64_t bytes) {
  constexpr std::array<const char*, 4> kUnits = {"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) {
    return fmt::format("{} B", bytes);
  }
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string Count(uint64_t number) {
  std::string text = std::to_string(number);
  for (size_t end = text.size(); end > 3; end -= 3) {
    text.insert(end - 3, 1, ',');
  }
  return text;
}

std::string Plural(uint64_t number, std::string_view thing) {
  return fmt::format("{} {}{}", Count(number), thing, number == 1 ? "" : "s");
}

std::string Wrap(std::string_view text, size_t indent) {
  std::string out;
  size_t column = indent;
  while (!text.empty()) {
    const size_t end = text.find(' ');
    const std::string_view word = text.substr(0, end);
    if (column > indent && column + 1 + word.size() > kWidth) {
      out += '\n';
      out.append(indent, ' ');
      column = indent;
    } else if (column > indent) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return out;
}

std::string_view FirstSentence(std::string_view text) {
  const size_t end = text.find(". ");
  return end == std::string_view::npos ? text : text.substr(0, end + 1);
}

std::string Line(std::string_view label, std::string_view text) {
  constexpr size_t kIndent = 15;
  return text.empty() ? std::string() : fmt::format("  {:<12} {}\n", label, Wrap(text, kIndent));
}

}  // namespace parallax::cli
