#include "sensor/observe/top_talkers.h"

#include <algorithm>
#include <bit>

namespace parallax::sensor {

TopTalkers::TopTalkers(const HashKey& key, size_t entries)
    : key_(key),
      entries_(std::bit_ceil(std::max(entries, kWays))),
      bucket_mask_(entries_.size() / kWays - 1) {}

void TopTalkers::Count(const IpAddress& address) {
  const size_t bucket = (SipHash24(key_, address.bytes()) & bucket_mask_) * kWays;
  size_t least = bucket;
  for (size_t i = bucket; i < bucket + kWays; ++i) {
    if (entries_[i].most > 0 && entries_[i].address == address) {
      ++entries_[i].most;
      return;
    }
    if (entries_[i].most < entries_[least].most) {
      least = i;
    }
  }
  Entry& entry = entries_[least];
  entry = {.address = address, .most = entry.most + 1, .inherited = entry.most};
}

std::vector<TopTalkers::Talker> TopTalkers::Top(size_t most) const {
  std::vector<Talker> top;
  for (const Entry& entry : entries_) {
    if (entry.most > 0) {
      top.push_back({entry.address, entry.most - entry.inherited});
    }
  }
  std::sort(top.begin(), top.end(), [](const Talker& a, const Talker& b) {
    return a.count != b.count ? a.count > b.count : a.address < b.address;
  });
  top.resize(std::min(most, top.size()));
  return top;
}

}  // namespace parallax::sensor
