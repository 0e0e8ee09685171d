#include "sensor/observe/try_tally.h"

#include <algorithm>
#include <chrono>

namespace parallax::sensor {
namespace {

constexpr size_t kPairs = size_t{1} << 14;
constexpr int32_t kHalfMinute = 30;  // seconds
constexpr int kLeastTries = 3;
constexpr int kLeastClients = 3;

int32_t Second(MonoTime t) {
  return static_cast<int32_t>(
      std::chrono::floor<std::chrono::seconds>(t.time_since_epoch()).count());
}

}  // namespace

TryTally::TryTally() : entries_(kPairs) {}

void TryTally::Pass(Entry& entry, int32_t second) {
  const int32_t halves = second / kHalfMinute - entry.second / kHalfMinute;
  if (halves > 0) {
    entry.succeeded = {0, halves == 1 ? entry.succeeded[0] : uint8_t{0}};
    entry.failed = {0, halves == 1 ? entry.failed[0] : uint8_t{0}};
  }
  entry.second = std::max(entry.second, second);
}

void TryTally::Count(uint64_t pair, uint64_t server, bool failed, MonoTime now) {
  const auto first =
      entries_.begin() + static_cast<std::ptrdiff_t>(pair % (kPairs / kWays) * kWays);
  auto entry = std::find_if(first, first + kWays, [&](const Entry& e) { return e.pair == pair; });
  if (entry == first + kWays) {
    entry = std::min_element(first, first + kWays, [](const Entry& a, const Entry& b) {
      return (a.pair != 0) != (b.pair != 0) ? a.pair == 0 : a.second < b.second;
    });
    *entry = {.pair = pair, .server = server, .second = Second(now)};
  }
  Pass(*entry, Second(now));
  uint8_t& count = failed ? entry->failed[0] : entry->succeeded[0];
  count = static_cast<uint8_t>(std::min(count + 1, 0xff));
}

std::optional<double> TryTally::AllOrNothing(uint64_t server, MonoTime now) const {
  int clients = 0;
  int always = 0;
  for (Entry e : entries_) {
    if (e.server != server || e.pair == 0) {
      continue;
    }
    Pass(e, Second(now));
    const int failed = e.failed[0] + e.failed[1];
    const int succeeded = e.succeeded[0] + e.succeeded[1];
    if (failed > 0 && failed + succeeded >= kLeastTries) {
      ++clients;
      always += succeeded == 0 ? 1 : 0;
    }
  }
  return clients < kLeastClients ? std::nullopt : std::optional(double(always) / clients);
}

}  // namespace parallax::sensor
