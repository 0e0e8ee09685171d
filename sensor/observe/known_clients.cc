#include "sensor/observe/known_clients.h"

#include <algorithm>
#include <bit>
#include <chrono>

namespace parallax::sensor {
namespace {

constexpr int32_t kKeepMinutes = 30 * 24 * 60;

uint32_t Minute(MonoTime t) {
  return static_cast<uint32_t>(
      std::chrono::floor<std::chrono::minutes>(t.time_since_epoch()).count());
}

uint32_t Tag(uint64_t hash) { return static_cast<uint32_t>(hash >> 32) | 1; }

}  // namespace

KnownClients::KnownClients(size_t entries) : entries_(std::bit_ceil(std::max(entries, kWays))) {}

void KnownClients::Remember(uint64_t client, MonoTime now) {
  const auto first = entries_.begin() + static_cast<std::ptrdiff_t>(FirstOf(client));
  const auto last = first + kWays;
  auto entry = std::find_if(first, last, [&](const Entry& e) { return e.tag == Tag(client); });
  if (entry == last) {
    entry = std::min_element(first, last, [](const Entry& a, const Entry& b) {
      return (a.tag != 0) != (b.tag != 0) ? a.tag == 0 : a.minute < b.minute;
    });
  }
  *entry = {.tag = Tag(client), .minute = Minute(now)};
}

bool KnownClients::Knows(uint64_t client, MonoTime now) const {
  const size_t first = FirstOf(client);
  for (size_t i = first; i < first + kWays; ++i) {
    if (entries_[i].tag == Tag(client)) {
      // Signed: `now` may lie a moment before what was noted last.
      return static_cast<int32_t>(Minute(now) - entries_[i].minute) < kKeepMinutes;
    }
  }
  return false;
}

}  // namespace parallax::sensor
