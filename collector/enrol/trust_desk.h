// The registry (registry.h) for many threads, and in step with the store: what a decision changed
// is on disk before the one who asked hears of it, also if the change was somebody else's a moment
// ago. Thread-safe.
//
//   enrolment port, operators, sensor link --Do--> registry --TrustChange--> store writer
//                                                      <--Committed(ticket)------/
//
// A store that is behind never blocks Do: changes wait here, in order, and are handed on by the
// next call or by Tick.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>

#include "collector/enrol/registry.h"
#include "collector/store/ops.h"
#include "common/queue.h"

namespace parallax::collector {

class TrustDesk {
 public:
  // Whose stream is to end, and why. Called without the desk's mutex, from whoever decided it.
  using EndStream = std::function<void(const SensorName& sensor, const std::string& why)>;

  TrustDesk(Registry registry, BoundedQueue<StoreOp>& store);

  // Before other threads come.
  void OnEnd(EndStream end) { end_ = std::move(end); }

  // Runs `decide` now, and `then` once all that it rests on is on disk: before this returns if it
  // is already, else from the store's thread; never, if the collector stops first. Neither may
  // block or call back into the desk.
  void Do(const std::function<void(Registry&)>& decide, std::function<void()> then);
  // The same, waiting. kUnavailable if it takes longer than `patience`: it may still come true.
  Result<void> DoAndWait(const std::function<void(Registry&)>& decide, Duration patience);

  // A change is on disk, and all before it. From the store's thread.
  void Committed(uint64_t ticket);
  // To be called every second or so.
  void Tick(WallTime now);

  Result<void> MaySpeak(const ShownCertificate& certificate);

  // Grows with each change of whom Drained() names.
  uint64_t drained_version() const { return drained_version_; }
  std::set<SensorName> Drained() const;

 private:
  struct After {
    std::vector<std::string> notes;
    std::vector<std::pair<SensorName, std::string>> ended;
  };
  // What a decision left behind goes where it belongs. Returns the ticket to wait for.
  uint64_t SettleLocked(After& after);
  void HandOnLocked();
  void Tell(const After& after) const;

  BoundedQueue<StoreOp>& store_;
  EndStream end_;
  mutable std::mutex mutex_;
  std::condition_variable committed_changed_;
  Registry registry_;
  std::deque<StoreOp> waiting_;  // for room in the store's queue
  uint64_t last_ticket_ = 0;
  uint64_t committed_ = 0;
  std::multimap<uint64_t, std::function<void()>> then_;  // by ticket
  std::set<SensorName> drained_;
  std::atomic<uint64_t> drained_version_ = 1;
};

}  // namespace parallax::collector
