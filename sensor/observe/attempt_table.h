// The fixed-size memory behind the attempt tracker: 8-way buckets under a keyed hash, so that
// nobody outside can aim at one bucket, and a timer per entry. All memory is allocated by the
// constructor. A full bucket gives up one of its own entries (Worth() says which), so that no
// insert ever costs more than one bucket. Pure; one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "common/ip.h"
#include "common/records.h"
#include "common/siphash.h"
#include "common/time.h"
#include "sensor/observe/timer_wheel.h"

namespace parallax::sensor {

// VLAN ids are left out on purpose: a SYN and its SYN-ACK may travel under different tags.
struct AttemptKey {
  Endpoint client;
  Endpoint server;
  uint32_t isn = 0;
  bool operator==(const AttemptKey&) const = default;
};

struct TrackedAttempt {
  AttemptKey key;
  WallTime first_stamp;
  MonoTime first_seen;
  MonoTime last_syn;  // the last that counts as a transmission of its own
  MonoTime first_syn_ack;
  MonoTime last_syn_ack;  // likewise
  MonoTime last_seen;     // any segment of the attempt
  MonoTime due;           // when its timer is set to
  uint32_t server_seq = 0;
  uint32_t syns = 0;
  uint32_t syn_acks = 0;
  uint16_t interface = 0;  // the tracker's number for it
  uint8_t ttl = 0;
  bool reported = false;  // its outcome
  // Evidence.
  bool syn_repeated = false;
  bool syn_after_syn_ack = false;
  bool syn_ack_repeated = false;
  bool refused = false;
  bool client_reset = false;
  bool client_abort = false;

  bool answered() const { return syn_acks > 0 || refused; }
  // What is evicted first has the least: unanswered, then answered and reported, then the rest.
  int Worth() const { return !answered() ? 0 : reported ? 1 : 2; }
};

class AttemptTable {
 public:
  // `entries` is rounded up to a power of two, 8 at the least.
  AttemptTable(size_t entries, const HashKey& key);

  std::optional<uint32_t> Find(const AttemptKey& key) const;
  // REQUIRES: Find(key) is empty. If an entry had to go, it is copied to `evicted`.
  uint32_t Insert(const AttemptKey& key, std::optional<TrackedAttempt>& evicted);
  void Erase(uint32_t index);

  TrackedAttempt& at(uint32_t index) { return entries_[index]; }
  void SetTimer(uint32_t index, MonoTime due, MonoTime now);
  // The timer of the entry is used up; the caller sets a new one or erases the entry.
  std::optional<uint32_t> PopDue(MonoTime now) { return wheel_.PopDue(now); }
  // Indices of all entries in use, oldest first.
  std::vector<uint32_t> All() const;

  size_t capacity() const { return entries_.size(); }
  size_t size() const { return wheel_.armed(); }

 private:
  static constexpr size_t kWays = 8;

  uint64_t Hash(const AttemptKey& key) const;
  // Tags are never 0, which marks a free place.
  static uint32_t TagOf(uint64_t hash) { return static_cast<uint32_t>(hash >> 32) | 1; }
  size_t BucketOf(uint64_t hash) const { return (hash & bucket_mask_) * kWays; }

  const HashKey key_;
  std::vector<TrackedAttempt> entries_;
  std::vector<uint32_t> tags_;  // apart from the entries: a look-up reads one cache line of them
  uint64_t bucket_mask_;
  TimerWheel wheel_;
};

}  // namespace parallax::sensor
