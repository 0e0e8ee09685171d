#include "sensor/observe/top_talkers.h"

#include <algorithm>
#include <bit>

namespace parallax::sensor {

TopTalkers::TopTalkers(const HashKey& key, size_t entries)
    : key_(key),
      talkers_(std::bit_ceil(std::max(entries, kWays))),
      bucket_mask_(talkers_.size() / kWays - 1) {}

void TopTalkers::Count(const IpAddress& address) {
  const size_t bucket = (SipHash24(key_, address.bytes()) & bucket_mask_) * kWays;
  size_t least = bucket;
  for (size_t i = bucket; i < bucket + kWays; ++i) {
    if (talkers_[i].count > 0 && talkers_[i].address == address) {
      ++talkers_[i].count;
      return;
    }
    if (talkers_[i].count < talkers_[least].count) {
      least = i;
    }
  }
  talkers_[least].address = address;
  ++talkers_[least].count;  // inherits the count of the one it replaces
}

std::vector<TopTalkers::Talker> TopTalkers::Top(size_t most) const {
  std::vector<Talker> top;
  std::copy_if(talkers_.begin(), talkers_.end(), std::back_inserter(top),
               [](const Talker& t) { return t.count > 0; });
  std::sort(top.begin(), top.end(), [](const Talker& a, const Talker& b) {
    return a.count != b.count ? a.count > b.count : a.address < b.address;
  });
  top.resize(std::min(most, top.size()));
  return top;
}

}  // namespace parallax::sensor
