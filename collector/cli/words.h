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

// One "  label   text" line of a page about one thing; nothing if `text` is empty.
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

}  // namespace parallax::cli
