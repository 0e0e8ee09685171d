// The text side of reading a configuration file: what to say about names nobody knows, and what
// must not reach the TOML parser. Pure.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace parallax {

using NameSet = std::set<std::string, std::less<>>;

// The name a writer of `unknown` (dotted) most probably meant: the closest by edit distance, or the
// same last part in another section. Nullopt if nothing is close. Ties go to the first in order.
std::optional<std::string> NearestName(std::string_view unknown, const NameSet& known);

// Letters to change, add, drop or swap with their neighbour to get from `a` to `b`.
size_t EditDistance(std::string_view a, std::string_view b);

// `text` with control characters replaced by '?', so that a file cannot drive a terminal.
std::string Printable(std::string_view text);
// Cut to a length that fits a line.
std::string Shorten(std::string_view text);

// The number (from 1) of the first line whose key or table name has more parts than any
// configuration needs. toml++ 3.3 recurses per part and dies of a file made of them.
std::optional<size_t> FindTooDeepLine(std::string_view toml);

}  // namespace parallax
