#include "sensor/probe/target_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>

#include "common/address_offset.h"

namespace parallax::sensor {
namespace {

constexpr int kRounds = 4;
constexpr unsigned kMostHostBits = 32;

uint64_t SizeOf(const Prefix& prefix) {
  return uint64_t{1} << (prefix.address().bits() - prefix.length());
}

}  // namespace

RandomOrder::RandomOrder(uint64_t size, const HashKey& key)
    : size_(size), half_bits_((static_cast<unsigned>(std::bit_width(size)) + 1) / 2), key_(key) {}

uint64_t RandomOrder::At(uint64_t index) const {
  const uint64_t mask = (uint64_t{1} << half_bits_) - 1;
  do {
    uint64_t left = index >> half_bits_;
    uint64_t right = index & mask;
    for (int round = 0; round < kRounds; ++round) {
      const uint64_t mixed =
          SipHash13(key_, std::array{right | static_cast<uint64_t>(round) << 56}) & mask;
      left = std::exchange(right, left ^ mixed);
    }
    index = left << half_bits_ | right;
  } while (index >= size_);
  return index;
}

Result<void> TargetList::Add(const Prefix& prefix) {
  const unsigned host_bits = prefix.address().bits() - prefix.length();
  if (host_bits > kMostHostBits || size_ + SizeOf(prefix) > kMost) {
    return Fail(ErrorCode::kUsage,
                fmt::format("{}: more than 2^32 targets in all", prefix.ToString()));
  }
  prefixes_.push_back(prefix);
  size_ += SizeOf(prefix);
  return {};
}

void TargetList::Close() {
  std::sort(prefixes_.begin(), prefixes_.end());  // a prefix stands right before what it holds
  size_ = 0;
  const Prefix* last = nullptr;
  for (const Prefix& prefix : prefixes_) {
    if (last != nullptr && last->length() <= prefix.length() && last->Contains(prefix.address())) {
      continue;
    }
    ranges_.push_back({prefix.address(), size_});
    size_ += SizeOf(prefix);
    last = &prefix;
  }
  prefixes_ = {};
}

IpAddress TargetList::At(uint64_t index) const {
  const auto after =
      std::upper_bound(ranges_.begin(), ranges_.end(), index,
                       [](uint64_t wanted, const Range& range) { return wanted < range.before; });
  const Range& range = *std::prev(after);
  return Plus(range.first, index - range.before);
}

}  // namespace parallax::sensor
