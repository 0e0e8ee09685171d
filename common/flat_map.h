// A map for few entries in many copies: a sorted vector, and nothing else. What points into it is
// good until an entry is added or erased.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

namespace parallax {

template <typename Key, typename Value>
class FlatMap {
 public:
  using Entries = std::vector<std::pair<Key, Value>>;
  using iterator = typename Entries::iterator;
  using const_iterator = typename Entries::const_iterator;

  iterator begin() { return entries_.begin(); }
  iterator end() { return entries_.end(); }
  const_iterator begin() const { return entries_.begin(); }
  const_iterator end() const { return entries_.end(); }
  size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }

  iterator find(const Key& key) {
    const iterator it = std::lower_bound(begin(), end(), key, Before);
    return it != end() && it->first == key ? it : end();
  }
  const_iterator find(const Key& key) const {
    const const_iterator it = std::lower_bound(begin(), end(), key, Before);
    return it != end() && it->first == key ? it : end();
  }
  bool contains(const Key& key) const { return find(key) != end(); }

  Value& operator[](const Key& key) {
    iterator it = std::lower_bound(begin(), end(), key, Before);
    if (it == end() || it->first != key) {
      it = entries_.emplace(it, key, Value());
    }
    return it->second;
  }
  iterator erase(const_iterator it) { return entries_.erase(it); }

 private:
  static bool Before(const std::pair<Key, Value>& entry, const Key& key) {
    return entry.first < key;
  }

  Entries entries_;
};

}  // namespace parallax
