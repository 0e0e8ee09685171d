#include "sensor/observe/try_tally.h"

#include <algorithm>
#include <chrono>

namespace parallax::sensor {
namespace {

constexpr size_t kPairs = size_t{1} << 14;
constexpr int32_t kKeepSeconds = 60;
constexpr uint8_t kTries = 3;
constexpr uint8_t kAllFailed = (1 << kTries) - 1;
constexpr int kLeastClients = 3;

uint32_t Second(MonoTime t) {
  return static_cast<uint32_t>(
      std::chrono::floor<std::chrono::seconds>(t.time_since_epoch()).count());
}

// Signed: `now` may lie before; in a damaged capture, by decades.
int32_t SecondsSince(uint32_t second, MonoTime now) {
  return static_cast<int32_t>(Second(now) - second);
}

}  // namespace

TryTally::TryTally() : entries_(kPairs) {}

void TryTally::Count(uint64_t pair, uint64_t server, bool failed, MonoTime now) {
  const auto first =
      entries_.begin() + static_cast<std::ptrdiff_t>(pair % (kPairs / kWays) * kWays);
  auto entry = std::find_if(first, first + kWays, [&](const Entry& e) { return e.pair == pair; });
  if (entry == first + kWays) {
    entry = std::min_element(first, first + kWays, [](const Entry& a, const Entry& b) {
      return (a.pair != 0) != (b.pair != 0) ? a.pair == 0 : a.second < b.second;
    });
    *entry = {.pair = pair, .server = server};
  } else if (SecondsSince(entry->second, now) > kKeepSeconds) {
    entry->tries = entry->failed = 0;
  }
  entry->second = Second(now);
  entry->tries = std::min<uint8_t>(entry->tries + 1, kTries);
  entry->failed = static_cast<uint8_t>((entry->failed << 1 | (failed ? 1 : 0)) & kAllFailed);
}

std::optional<double> TryTally::AllOrNothing(uint64_t server, MonoTime now) const {
  int clients = 0;
  int always = 0;
  for (const Entry& e : entries_) {
    if (e.server == server && e.pair != 0 && e.failed != 0 && e.tries >= kTries &&
        SecondsSince(e.second, now) <= kKeepSeconds) {
      ++clients;
      always += e.failed == kAllFailed ? 1 : 0;
    }
  }
  return clients < kLeastClients ? std::nullopt : std::optional(double(always) / clients);
}

}  // namespace parallax::sensor
