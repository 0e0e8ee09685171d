// One node's routes: the longest prefix that holds an address decides. Looked up at every hop of
// every packet, so it is made for that.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
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
  // An address as a number, with the bits behind a prefix cleared.
  struct Key {
    uint64_t high = 0;
    uint64_t low = 0;
    bool operator==(const Key&) const = default;
  };
  // Of one length: a table with open addressing, at most half full.
  struct Length {
    unsigned bits;
    Key mask;
    std::vector<Key> keys{};
    std::vector<uint32_t> places{};  // in hops_, beginning with 1; 0: free
    size_t used = 0;

    uint32_t& PlaceFor(const Key& key);   // grows if need be
    size_t SlotOf(const Key& key) const;  // its own, or the free one where it would go
  };
  static Key KeyOf(const IpAddress& address);
  std::vector<Length>& Of(Family family) { return family == Family::kV4 ? v4_ : v6_; }
  const std::vector<Length>& Of(Family family) const { return family == Family::kV4 ? v4_ : v6_; }

  std::vector<Length> v4_;  // longest first
  std::vector<Length> v6_;
  std::vector<NextHops> hops_;
};

}  // namespace parallax::sim
