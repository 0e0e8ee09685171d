// Words, symbols and colours that several pages share. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "collector/cli/table.h"

namespace parallax::cli {

Colour ColourOfVerdict(std::string_view verdict);
Colour ColourOfIncident(std::string_view state);
Colour ColourOfSensor(std::string_view state);
Colour ColourOfReach(std::string_view reach);

// One character per state of reach, explained by kReachLegend.
std::string_view SymbolOfReach(std::string_view reach);
inline constexpr std::string_view kReachLegend =
    "up .   down X   lossy ~   blocked by a filter P   not known ?";

std::string Clock(uint64_t time);  // "2026-11-23 13:30:18Z", "-" for 0
std::string Span(uint64_t from, uint64_t to);
std::string Bytes(uint64_t bytes);                            // "512 B", "1.5 MiB"
std::string Count(uint64_t number);                           // "1,204"
std::string Plural(uint64_t number, std::string_view thing);  // "1 host", "2 hosts"

inline constexpr size_t kWidth = 100;  // of a page

// `text` broken between words into lines of at most kWidth characters; all but the first begin with
// `indent` blanks. Words longer than that stay whole.
std::string Wrap(std::string_view text, size_t indent);

std::string_view FirstSentence(std::string_view text);

// "  label   text" of a page about one thing, wrapped; nothing if `text` is empty.
std::string Line(std::string_view label, std::string_view text);

template <typename Texts>
std::string Joined(const Texts& texts, std::string_view between = ", ") {
  std::string out;
  for (const auto& text : texts) {
    if (!out.empty()) {
      out += between;
    }
    out += Printable(text);
  }
  return out;
}

// Names for a column: the first three, and how many more; "-" if there are none.
template <typename Texts>
std::string Brief(const Texts& texts) {
  constexpr size_t kShown = 3;
  std::string out;
  size_t number = 0;
  for (const auto& text : texts) {
    if (number < kShown) {
      out += (number == 0 ? "" : ", ") + Printable(text);
    }
    ++number;
  }
  if (number > kShown) {
    out += " +" + Count(number - kShown);
  }
  return out.empty() ? "-" : out;
}

}  // namespace parallax::cli
