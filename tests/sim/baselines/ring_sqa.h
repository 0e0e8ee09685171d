// NLNOG ring-sqa (lib/ring/sqa/{analyzer,alarm}.rb): every node pings all others by UDP each 30 s;
// each minute the list of those that did not answer goes into a ring of 30. Alarm if each of the
// last three lists is longer than 1.2 (m + 1) and than (m + 1) + 10, m being the median of the 27
// before. The ring begins full of lists of 99: for 17 minutes it is blind to all but large
// failures.
#pragma once

#include <deque>
#include <vector>

#include "tests/sim/baselines/baseline.h"

namespace parallax::sim {

// Of one node.
class RingSqaBuffer {
 public:
  RingSqaBuffer();
  void Push(size_t failed);
  bool Raised() const;

 private:
  std::deque<size_t> sizes_;  // oldest first
};

class RingSqa : public Baseline {
 public:
  std::string_view name() const override { return "ring-sqa"; }
  Duration step() const override { return std::chrono::seconds(30); }
  Duration warm_up() const override { return std::chrono::minutes(20); }
  void Step(PingView& view) override;

 private:
  struct Node {
    RingSqaBuffer buffer;
    size_t failed = 0;  // in this minute
  };
  std::vector<Node> nodes_;
  bool half_ = false;  // of a minute has passed
};

}  // namespace parallax::sim
