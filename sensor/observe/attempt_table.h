// The fixed-size memory behind the attempt tracker: 8-way buckets under a keyed hash of the
// 4-tuple, so that nobody outside can aim at one bucket, and a timer per entry. All memory is
// allocated by the constructor. A full bucket gives up one of its own entries (Worth() says which),
// so that no insert ever costs more than one bucket. Pure; one thread.
#pragma once

#include <array>
#include <cstddef>
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

// What a packet sniffer knows of a handshake before it knows the initial sequence number.
struct TupleView {
  const Endpoint& client;
  const Endpoint& server;
};

// Two cache lines.
struct alignas(64) TrackedAttempt {
  TrackedAttempt() = default;
  // In place and field by field: clearing all of it first would cost more than all else.
  TrackedAttempt(const AttemptKey& of, MonoTime wheel_fires) : key(of), fires(wheel_fires) {}

  AttemptKey key;
  uint32_t server_seq = 0;
  WallTime first_stamp;
  MonoTime first_seen;
  MonoTime last_syn;  // the last that counts as a transmission of its own
  MonoTime first_syn_ack;
  MonoTime last_syn_ack;             // likewise
  MonoTime last_seen;                // any segment of the attempt
  MonoTime due;                      // when its timer is to be served
  MonoTime fires = MonoTime::min();  // when the wheel fires, not after `due`; min(): never
  uint16_t syns = 0;                 // stays at 65535
  uint16_t syn_acks = 0;             // likewise
  uint16_t syn_payload = 0;  // bytes of data in the SYN (TCP Fast Open), which a SYN-ACK may accept
  uint8_t interface = 0;     // the tracker's number for it
  uint8_t ttl = 0;
  uint8_t sampling_log2 = 0;  // how many attempts it stands for
  bool reported : 1 = false;  // its outcome
  // Evidence.
  bool syn_repeated : 1 = false;
  bool syn_after_syn_ack : 1 = false;
  bool syn_ack_repeated : 1 = false;
  bool refused : 1 = false;
  bool client_reset : 1 = false;
  bool client_abort : 1 = false;
  bool acknowledged : 1 = false;  // one end went on after the SYN-ACK; lapses if that comes again

  bool answered() const { return syn_acks > 0 || refused; }
  // What is evicted first has the least: unanswered, or a SYN-ACK without a SYN (either is easily
  // forged), then answered and reported, then the rest.
  int Worth() const { return !answered() || syns == 0 ? 0 : reported ? 1 : 2; }
};
static_assert(sizeof(TrackedAttempt) == 128);

class AttemptTable {
 public:
  // `entries` is rounded up to a power of two, 8 at the least.
  AttemptTable(size_t entries, const HashKey& key);

  // The keyed hash of a 4-tuple, asked for once per segment.
  uint64_t Hash(const TupleView& tuple) const;

  std::optional<uint32_t> Find(const AttemptKey& key, uint64_t hash) const;
  // The attempt that goes on with sequence number `next`: what its server's SYN-ACK or RST
  // acknowledges, and what the client sends next. Behind the ISN and, with data in the SYN, perhaps
  // behind that too (RFC 7413).
  std::optional<uint32_t> FindByNext(const TupleView& tuple, uint32_t next, uint64_t hash) const;
  // The answered attempt whose server goes on with sequence number `next`.
  std::optional<uint32_t> FindByServerNext(const TupleView& tuple, uint32_t next,
                                           uint64_t hash) const;
  // Memory is slow, and the keyed hash scatters what is asked for. To be called in a row for some
  // segments that are to come, first the one, then the other.
  void PrefetchBucket(uint64_t hash) const { __builtin_prefetch(&BucketOf(hash), 1); }
  // `place`: also where a new entry would go.
  void PrefetchEntry(uint64_t hash, MonoTime now, bool place) const;

  // Where a new entry of this hash goes: a free place, or one whose entry has to go. Look at that
  // before you occupy it.
  struct Place {
    uint32_t index = 0;
    bool taken = false;
  };
  Place PlaceFor(uint64_t hash, MonoTime now) const;
  // REQUIRES: Find(key) is empty, and `place` is PlaceFor(hash). The caller sets a timer.
  TrackedAttempt& Occupy(const Place& place, const AttemptKey& key, uint64_t hash);
  void Erase(uint32_t index);

  TrackedAttempt& at(uint32_t index) { return entries_[index]; }
  // Sets `due`, and takes note of what the entry is worth and when it was last seen. The wheel is
  // moved only if it would fire too late, so that putting a timer off costs nothing.
  void SetTimer(uint32_t index, MonoTime due, MonoTime now);
  // An entry whose timer is due; it is used up. The caller sets a new one or erases the entry.
  std::optional<uint32_t> PopDue(MonoTime now);
  // Indices of all entries in use, oldest first.
  std::vector<uint32_t> All() const;

  size_t capacity() const { return entries_.size(); }
  size_t size() const { return size_; }

 private:
  static constexpr uint32_t kWays = 8;
  static constexpr uint32_t kAgeMask = 0x3fffffff;
  // All that a look-up and the choice of whom to evict need, in one cache line.
  struct alignas(64) Bucket {
    std::array<uint32_t, kWays> tags{};   // 0: free
    std::array<uint32_t, kWays> ranks{};  // worth in the 2 highest bits, then milliseconds (nearly)
  };

  const Bucket& BucketOf(uint64_t hash) const { return buckets_[hash & (buckets_.size() - 1)]; }
  // A free way, or else the one to give up.
  static size_t WayFor(const Bucket& bucket, MonoTime now);
  template <typename Wanted>
  std::optional<uint32_t> FindIf(uint64_t hash, Wanted&& wanted) const;
  // Tags are never 0, which marks a free place.
  static uint32_t TagOf(uint64_t hash) { return static_cast<uint32_t>(hash >> 32) | 1; }
  // 2^20 ns; starts anew every 13 days, which is no matter for comparing ages.
  static uint32_t Millis(MonoTime t) {
    return static_cast<uint32_t>(t.time_since_epoch().count() >> 20) & kAgeMask;
  }

  const HashKey key_;
  std::vector<TrackedAttempt> entries_;
  std::vector<Bucket> buckets_;
  size_t size_ = 0;
  TimerWheel wheel_;
};

}  // namespace parallax::sensor
