// The targets that were reached last, each once: to prove a way out by, and to compare with what
// fails. Of as many targets as a collector may have, nobody can go through all to find some.
//
// Pure; owned by the engine's thread.
#pragma once

#include <algorithm>
#include <vector>

#include "common/ip.h"

namespace parallax::collector {

class LatelyReached {
 public:
  // `target` was reached now. If there are too many, the one that was reached longest ago goes.
  void Note(const IpAddress& target) {
    const auto it = std::find(targets_.begin(), targets_.end(), target);
    if (it != targets_.end()) {
      std::rotate(it, it + 1, targets_.end());
      return;
    }
    if (targets_.size() >= kMost) {
      targets_.erase(targets_.begin());
    }
    targets_.push_back(target);
  }

  // One of an earlier life, that is not there yet; not taken if there are enough.
  void Restore(const IpAddress& target) {
    if (targets_.size() < kMost) {
      targets_.push_back(target);
    }
  }

  const std::vector<IpAddress>& targets() const { return targets_; }  // longest ago first

 private:
  static constexpr size_t kMost = 512;

  std::vector<IpAddress> targets_;
};

}  // namespace parallax::collector
