#include "tests/sim/route_table.h"

#include <algorithm>
#include <utility>

namespace parallax::sim {

void RouteTable::Clear() {
  v4_.clear();
  v6_.clear();
  hops_.clear();
}

// Nobody attacks a simulated router: any hash that mixes will do.
size_t RouteTable::Length::SlotOf(const Key& key) const {
  const uint64_t mixed = (key.high ^ key.low * 0x9e3779b97f4a7c15u) * 0xd6e8feb86659fd93u;
  size_t slot = (mixed ^ mixed >> 32) & (keys.size() - 1);
  while (places[slot] != 0 && keys[slot] != key) {
    slot = (slot + 1) & (keys.size() - 1);
  }
  return slot;
}

uint32_t& RouteTable::Length::PlaceFor(const Key& key) {
  if (2 * (used + 1) > keys.size()) {
    const std::vector<Key> old_keys = std::move(keys);
    const std::vector<uint32_t> old_places = std::move(places);
    keys.assign(std::max<size_t>(8, 2 * old_keys.size()), Key{});
    places.assign(keys.size(), 0);
    for (size_t i = 0; i < old_keys.size(); ++i) {
      if (old_places[i] != 0) {
        const size_t slot = SlotOf(old_keys[i]);
        keys[slot] = old_keys[i];
        places[slot] = old_places[i];
      }
    }
  }
  const size_t slot = SlotOf(key);
  used += places[slot] == 0 ? 1 : 0;
  keys[slot] = key;
  return places[slot];
}

// IPv4 stands in the uppermost bits, so that prefixes of either family are masked alike.
RouteTable::Key RouteTable::KeyOf(const IpAddress& address) {
  const auto bytes = address.bytes();
  Key key;
  for (size_t i = 0; i < 4; ++i) {
    key.high = key.high << 8 | bytes[i];
  }
  if (address.is_v4()) {
    key.high <<= 32;
    return key;
  }
  for (size_t i = 4; i < 8; ++i) {
    key.high = key.high << 8 | bytes[i];
  }
  for (size_t i = 8; i < 16; ++i) {
    key.low = key.low << 8 | bytes[i];
  }
  return key;
}

void RouteTable::Set(const Prefix& prefix, NextHops hops) {
  auto& lengths = Of(prefix.address().family());
  const unsigned bits = prefix.length();
  auto at = std::find_if(lengths.begin(), lengths.end(),
                         [&](const Length& length) { return length.bits <= bits; });
  if (at == lengths.end() || at->bits != bits) {
    Key mask;
    mask.high = bits == 0 ? 0 : ~uint64_t{0} << (64 - std::min(bits, 64u));
    mask.low = bits <= 64 ? 0 : ~uint64_t{0} << (128 - bits);
    at = lengths.insert(at, Length{bits, mask});
  }
  uint32_t& place = at->PlaceFor(KeyOf(prefix.address()));
  if (place == 0) {
    hops_.emplace_back();
    place = static_cast<uint32_t>(hops_.size());
  }
  hops_[place - 1] = std::move(hops);
}

const NextHops* RouteTable::Find(const IpAddress& address) const {
  const Key key = KeyOf(address);
  for (const Length& length : Of(address.family())) {
    const Key masked{key.high & length.mask.high, key.low & length.mask.low};
    if (const uint32_t place = length.places[length.SlotOf(masked)]; place != 0) {
      return &hops_[place - 1];
    }
  }
  return nullptr;
}

}  // namespace parallax::sim
