#include "tests/sim/route_table.h"

#include <algorithm>
#include <utility>

namespace parallax::sim {

void RouteTable::Clear() {
  v4_.clear();
  v6_.clear();
}

void RouteTable::Set(const Prefix& prefix, NextHops hops) {
  auto& lengths = Of(prefix.address().family());
  auto at = std::find_if(lengths.begin(), lengths.end(),
                         [&](const Length& length) { return length.bits <= prefix.length(); });
  if (at == lengths.end() || at->bits != prefix.length()) {
    at = lengths.insert(at, Length{prefix.length(), {}});
  }
  at->by_address[prefix.address()] = std::move(hops);
}

const NextHops* RouteTable::Find(const IpAddress& address) const {
  for (const Length& length : Of(address.family())) {
    const auto it = length.by_address.find(Prefix(address, length.bits).address());
    if (it != length.by_address.end()) {
      return &it->second;
    }
  }
  return nullptr;
}

}  // namespace parallax::sim
