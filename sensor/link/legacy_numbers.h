// Protocol 2 knows one epoch per stream. For a collector that speaks no newer one, records of all
// epochs are numbered anew, in the order in which they are sent, within an epoch made up for it.
// What a number stands for is remembered until it is acknowledged, also from one stream to the
// next. Thread-safe: a stream's writer assigns, its reader learns of acknowledgements.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <utility>
#include <vector>

namespace parallax::sensor {

class LegacyNumbers {
 public:
  struct Span {
    uint64_t number = 0;  // of the first of them
    uint64_t epoch = 0;
    uint64_t from = 0;
    uint64_t count = 0;
    bool operator==(const Span&) const = default;
  };

  explicit LegacyNumbers(uint64_t epoch) : epoch_(epoch) {}
  uint64_t epoch() const { return epoch_; }

  // The number of the first of `count` records of `epoch`, from sequence `from` on.
  uint64_t Assign(uint64_t epoch, uint64_t from, uint64_t count);
  // Everything up to `number` is committed: up to which sequence of which epochs that is.
  std::vector<std::pair<uint64_t, uint64_t>> Committed(uint64_t number);
  // Sent and not yet known to be committed, in the order of their numbers.
  std::vector<Span> Waiting() const;
  // What waits is sent by its own epoch and sequence from now on.
  void Forget();

 private:
  const uint64_t epoch_;
  mutable std::mutex mutex_;
  uint64_t next_ = 1;
  std::deque<Span> spans_;
};

}  // namespace parallax::sensor
