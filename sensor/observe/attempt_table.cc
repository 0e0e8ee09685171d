#include "sensor/observe/attempt_table.h"

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstring>
#include <memory>

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

// 2048 ticks are 102 s, more than any timer of the tracker; a tick is how late one may fire.
constexpr Duration kTick = 50ms;
constexpr uint32_t kSlots = 2048;
constexpr uint32_t kAheadOfTime = 1 << 12;  // milliseconds, nearly

size_t RoundUp(size_t entries, size_t least) { return std::bit_ceil(std::max(entries, least)); }

}  // namespace

AttemptTable::AttemptTable(size_t entries, const HashKey& key)
    : key_(key),
      entries_(RoundUp(entries, kWays)),
      buckets_(entries_.size() / kWays),
      wheel_(static_cast<uint32_t>(entries_.size()), kTick, kSlots) {}

uint64_t AttemptTable::Hash(const TupleView& tuple) const {
  const auto& [client, server] = tuple;
  const uint64_t ports = uint64_t{client.port} << 16 | server.port;
  const auto c = client.address.bytes();
  const auto s = server.address.bytes();
  if (client.address.is_v4() && server.address.is_v4()) {
    std::array<uint64_t, 2> words{0, ports | uint64_t{4} << 56};
    std::memcpy(&words[0], c.data(), 4);
    std::memcpy(reinterpret_cast<uint8_t*>(&words[0]) + 4, s.data(), 4);
    return SipHash13(key_, words);
  }
  std::array<uint64_t, 5> words{0, 0, 0, 0, ports | uint64_t{6} << 56};
  std::memcpy(&words[0], c.data(), c.size());
  std::memcpy(&words[2], s.data(), s.size());
  return SipHash13(key_, words);
}

template <typename Wanted>
std::optional<uint32_t> AttemptTable::FindIf(uint64_t hash, Wanted&& wanted) const {
  const size_t bucket = hash & (buckets_.size() - 1);
  for (size_t way = 0; way < kWays; ++way) {
    const size_t index = bucket * kWays + way;
    if (buckets_[bucket].tags[way] == TagOf(hash) && wanted(entries_[index])) {
      return static_cast<uint32_t>(index);
    }
  }
  return std::nullopt;
}

std::optional<uint32_t> AttemptTable::Find(const AttemptKey& key, uint64_t hash) const {
  return FindIf(hash, [&](const TrackedAttempt& a) { return a.key == key; });
}

std::optional<uint32_t> AttemptTable::FindByNext(const TupleView& tuple, uint32_t next,
                                                 uint64_t hash) const {
  return FindIf(hash, [&](const TrackedAttempt& a) {
    return next - a.key.isn - 1 <= a.syn_payload && a.key.client == tuple.client &&
           a.key.server == tuple.server;
  });
}

std::optional<uint32_t> AttemptTable::FindByServerNext(const TupleView& tuple, uint32_t next,
                                                       uint64_t hash) const {
  return FindIf(hash, [&](const TrackedAttempt& a) {
    return a.syn_acks > 0 && next == a.server_seq + 1 && a.key.client == tuple.client &&
           a.key.server == tuple.server;
  });
}

size_t AttemptTable::WayFor(const Bucket& bucket, MonoTime now) {
  // The least worth, and of those the oldest; the way itself in the lowest bits. No branches: this
  // runs for every SYN of a flood.
  // What was seen a little after `now` (times may come out of order) is not old, hence the margin.
  const uint32_t millis = Millis(now) + kAheadOfTime;
  uint32_t most = 0;
  for (uint32_t way = 0; way < kWays; ++way) {
    const uint32_t rank = bucket.ranks[way];
    const uint32_t age = (millis - rank) & kAgeMask;
    const uint32_t free = bucket.tags[way] == 0 ? ~uint32_t{0} : 0;
    const uint32_t dispensable = (3 - (rank >> 30)) << 30 | age | free;
    most = std::max(most, (dispensable & ~(kWays - 1)) | (kWays - 1 - way));
  }
  return kWays - 1 - most % kWays;
}

void AttemptTable::PrefetchEntry(uint64_t hash, MonoTime now, bool place) const {
  const Bucket& bucket = BucketOf(hash);
  const auto found = std::find(bucket.tags.begin(), bucket.tags.end(), TagOf(hash));
  if (found == bucket.tags.end() && !place) {
    return;
  }
  const size_t way = found != bucket.tags.end() ? static_cast<size_t>(found - bucket.tags.begin())
                                                : WayFor(bucket, now);
  const auto* const entry = reinterpret_cast<const char*>(
      &entries_[static_cast<size_t>(&bucket - buckets_.data()) * kWays + way]);
  __builtin_prefetch(entry, 1);
  __builtin_prefetch(entry + 64, 1);
}

AttemptTable::Place AttemptTable::PlaceFor(uint64_t hash, MonoTime now) const {
  const Bucket& bucket = BucketOf(hash);
  const size_t way = WayFor(bucket, now);
  const auto number = static_cast<size_t>(&bucket - buckets_.data());
  return {static_cast<uint32_t>(number * kWays + way), bucket.tags[way] != 0};
}

TrackedAttempt& AttemptTable::Occupy(const Place& place, const AttemptKey& key, uint64_t hash) {
  buckets_[place.index / kWays].tags[place.index % kWays] = TagOf(hash);
  size_ += place.taken ? 0 : 1;
  TrackedAttempt& entry = entries_[place.index];
  const MonoTime fires = entry.fires;
  // The wheel is still set; if it fires early, PopDue() sets it right.
  return *std::construct_at(&entry, key, fires);
}

void AttemptTable::Erase(uint32_t index) {
  buckets_[index / kWays].tags[index % kWays] = 0;
  --size_;
}

void AttemptTable::SetTimer(uint32_t index, MonoTime due, MonoTime now) {
  TrackedAttempt& a = entries_[index];
  a.due = due;
  buckets_[index / kWays].ranks[index % kWays] =
      static_cast<uint32_t>(a.Worth()) << 30 | Millis(a.last_seen);
  if (a.fires == MonoTime::min() || a.fires > due) {
    a.fires = due;
    wheel_.Set(index, due, now);
  }
}

std::optional<uint32_t> AttemptTable::PopDue(MonoTime now) {
  for (auto index = wheel_.PopDue(now); index; index = wheel_.PopDue(now)) {
    TrackedAttempt& a = entries_[*index];
    a.fires = MonoTime::min();
    if (buckets_[*index / kWays].tags[*index % kWays] == 0) {
      continue;  // erased meanwhile
    }
    if (a.due <= now) {
      return index;
    }
    a.fires = a.due;  // put off meanwhile
    wheel_.Set(*index, a.due, now);
  }
  return std::nullopt;
}

std::vector<uint32_t> AttemptTable::All() const {
  std::vector<uint32_t> all;
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (buckets_[i / kWays].tags[i % kWays] != 0) {
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
