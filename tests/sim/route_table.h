// One node's routes: the longest prefix that holds an address decides.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "common/ip.h"

namespace parallax::sim {

// Links, sorted, each once; none: a null route.
using NextHops = std::vector<uint32_t>;

class RouteTable {
 public:
  void Clear();
  void Set(const Prefix& prefix, NextHops hops);
  // nullptr: no route.
  const NextHops* Find(const IpAddress& address) const;

 private:
  struct Length {
    unsigned bits;
    std::unordered_map<IpAddress, NextHops> by_address;
  };
  std::vector<Length>& Of(Family family) { return family == Family::kV4 ? v4_ : v6_; }
  const std::vector<Length>& Of(Family family) const { return family == Family::kV4 ? v4_ : v6_; }

  std::vector<Length> v4_;  // longest first
  std::vector<Length> v6_;
};

}  // namespace parallax::sim
