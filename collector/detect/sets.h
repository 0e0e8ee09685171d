// What std::set lacks.
#pragma once

#include <algorithm>
#include <set>

namespace parallax::collector {

// Is anything in both?
template <typename T>
bool Intersect(const std::set<T>& a, const std::set<T>& b) {
  return std::any_of(a.begin(), a.end(), [&](const T& value) { return b.contains(value); });
}

}  // namespace parallax::collector
