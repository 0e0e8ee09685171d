// How others tell that something is wrong, to be held against Parallax on the same worlds. Each
// watches the same network from the same sensors, with pings of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string_view>
#include <vector>

#include "common/time.h"

namespace parallax::sim {

// What it says, while it says it.
enum class Claim : uint8_t {
  kNode,     // this node cannot reach many others
  kDown,     // a target is down
  kPartial,  // some reach a target, others do not
  kOutage,   // nobody reaches a target
};
std::string_view ToString(Claim claim);

// The network, as somebody with a ping program sees it.
class PingView {
 public:
  virtual ~PingView() = default;
  virtual size_t sensors() const = 0;
  virtual size_t targets() const = 0;
  // Whether they have a family in common.
  virtual bool CanPing(size_t sensor, size_t target) const = 0;
  // One packet there and one back, now; every sensor has one flow to each target.
  virtual bool Ping(size_t sensor, size_t target) = 0;     // ICMP echo
  virtual bool PingUdp(size_t sensor, size_t target) = 0;  // a datagram, and any answer
};

class Baseline {
 public:
  virtual ~Baseline() = default;
  virtual std::string_view name() const = 0;
  virtual Duration step() const = 0;  // between calls of Step
  // How long it must have watched a sound network before it can tell anything.
  virtual Duration warm_up() const = 0;
  virtual void Step(PingView& view) = 0;
  const std::set<Claim>& claims() const { return claims_; }

 protected:
  void Say(Claim claim, bool holds) {
    if (holds) {
      claims_.insert(claim);
    } else {
      claims_.erase(claim);
    }
  }

 private:
  std::set<Claim> claims_;
};

// A fresh one of each.
std::vector<std::unique_ptr<Baseline>> AllBaselines();

}  // namespace parallax::sim
