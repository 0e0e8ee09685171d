#include "common/flood_signs.h"

#include <algorithm>

#include "common/time.h"

namespace parallax {
namespace {

// Of half-open attempts that tried again: most of real clients whose answers get lost, next to none
// of a flood. In between it is both, if there is nothing else to say for a flood.
constexpr double kFaultRepeated = 0.5;
constexpr double kFloodRepeated = 0.05;
constexpr double kFaultAllOrNothing = 0.8;
constexpr double kFloodExcess = 10;
constexpr uint64_t kForgedHalfOpen = 20;
constexpr double kForgedRate = 50;  // SYNs a second
constexpr double kEbbed = 0.25;     // of the rate of the whole window

}  // namespace

ServerTrouble ReadTrouble(const ServerReport& r) {
  const bool repeated = r.half_open_repeated && *r.half_open_repeated > kFaultRepeated;
  const bool not_repeated = r.half_open_repeated && *r.half_open_repeated < kFloodRepeated;
  const bool always = !r.all_or_nothing || *r.all_or_nothing >= kFaultAllOrNothing;
  if (repeated && always) {
    return r.excess >= kFloodExcess ? ServerTrouble::kBoth : ServerTrouble::kFault;
  }
  const bool forged =
      r.half_open >= kForgedHalfOpen && r.sources > r.syns / 2 && r.syn_rate >= kForgedRate;
  if (!r.half_open_repeated || r.syn_rate < r.usual_rate) {
    return ServerTrouble::kNone;
  }
  const bool far_more = r.excess >= kFloodExcess;
  const bool flood = not_repeated ? far_more || forged : far_more && forged;
  return flood ? ServerTrouble::kFlood : ServerTrouble::kNone;
}

bool HasEbbed(const ServerReport& r) {
  const double average = static_cast<double>(r.syns) / std::max(ToSeconds(r.window), 1.0);
  return r.syn_rate < average * kEbbed;
}

}  // namespace parallax
