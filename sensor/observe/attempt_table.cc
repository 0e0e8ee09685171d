#include "sensor/observe/attempt_table.h"

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

// 2048 ticks are 102 s, more than any timer of the tracker; a tick is how late one may fire.
constexpr Duration kTick = 50ms;
constexpr uint32_t kSlots = 2048;

size_t RoundUp(size_t entries, size_t least) { return std::bit_ceil(std::max(entries, least)); }

}  // namespace

AttemptTable::AttemptTable(size_t entries, const HashKey& key)
    : key_(key),
      entries_(RoundUp(entries, kWays)),
      tags_(entries_.size(), 0),
      bucket_mask_(entries_.size() / kWays - 1),
      wheel_(static_cast<uint32_t>(entries_.size()), kTick, kSlots) {}

uint64_t AttemptTable::Hash(const AttemptKey& key) const {
  std::array<uint8_t, 40> bytes{};
  auto* to = bytes.data();
  const auto put = [&to](std::span<const uint8_t> from) {
    to = std::copy(from.begin(), from.end(), to);
  };
  const auto put_number = [&to](uint32_t value, int size) {
    for (int i = 0; i < size; ++i) {
      *to++ = static_cast<uint8_t>(value >> (8 * i));
    }
  };
  put(key.client.address.bytes());
  put(key.server.address.bytes());
  put_number(key.client.port, 2);
  put_number(key.server.port, 2);
  put_number(key.isn, 4);
  return SipHash24(key_, std::span(bytes.data(), to));
}

std::optional<uint32_t> AttemptTable::Find(const AttemptKey& key) const {
  const uint64_t hash = Hash(key);
  const size_t bucket = BucketOf(hash);
  for (size_t i = bucket; i < bucket + kWays; ++i) {
    if (tags_[i] == TagOf(hash) && entries_[i].key == key) {
      return static_cast<uint32_t>(i);
    }
  }
  return std::nullopt;
}

uint32_t AttemptTable::Insert(const AttemptKey& key, std::optional<TrackedAttempt>& evicted) {
  const uint64_t hash = Hash(key);
  const size_t bucket = BucketOf(hash);
  size_t place = bucket;
  const auto less_worth = [this](size_t a, size_t b) {
    const int worth_a = entries_[a].Worth();
    const int worth_b = entries_[b].Worth();
    return worth_a != worth_b ? worth_a < worth_b : entries_[a].last_seen < entries_[b].last_seen;
  };
  for (size_t i = bucket; i < bucket + kWays; ++i) {
    if (tags_[i] == 0) {
      place = i;
      break;
    }
    if (less_worth(i, place)) {
      place = i;
    }
  }
  const auto index = static_cast<uint32_t>(place);
  if (tags_[place] != 0) {
    evicted = entries_[place];
    Erase(index);
  }
  tags_[place] = TagOf(hash);
  entries_[place] = TrackedAttempt{};
  entries_[place].key = key;
  return index;
}

void AttemptTable::Erase(uint32_t index) {
  wheel_.Cancel(index);
  tags_[index] = 0;
}

void AttemptTable::SetTimer(uint32_t index, MonoTime due, MonoTime now) {
  entries_[index].due = due;
  wheel_.Set(index, due, now);
}

std::vector<uint32_t> AttemptTable::All() const {
  std::vector<uint32_t> all;
  for (size_t i = 0; i < tags_.size(); ++i) {
    if (tags_[i] != 0) {
      all.push_back(static_cast<uint32_t>(i));
    }
  }
  std::sort(all.begin(), all.end(), [this](uint32_t a, uint32_t b) {
    return entries_[a].first_seen != entries_[b].first_seen
               ? entries_[a].first_seen < entries_[b].first_seen
               : entries_[a].first_stamp < entries_[b].first_stamp;
  });
  return all;
}

}  // namespace parallax::sensor
