#include "sensor/link/outbox.h"

#include <algorithm>

namespace parallax::sensor {

void Outbox::Update(const std::vector<Spool::Lane>& lanes) {
  records_ = backlog_records_ = bytes_ = 0;
  std::erase_if(flights_, [&](const auto& entry) {
    return std::none_of(lanes.begin(), lanes.end(),
                        [&](const Spool::Lane& lane) { return lane.epoch == entry.first; });
  });
  for (const Spool::Lane& lane : lanes) {
    Flight& flight = flights_[lane.epoch];
    flight.live = lane.live;
    flight.next = std::max(flight.next, lane.first);
    while (!flight.unacked.empty() && flight.unacked.front().first < lane.first) {
      flight.unacked.pop_front();
    }
    if (flight.unacked.empty()) {
      continue;
    }
    const uint64_t records = flight.next - lane.first;
    records_ += records;
    backlog_records_ += lane.live ? 0 : records;
    for (const auto& [last, bytes] : flight.unacked) {
      bytes_ += bytes;
    }
  }
}

std::optional<Outbox::Pick> Outbox::Next(const std::vector<Spool::Lane>& lanes, MonoTime now) {
  Update(lanes);
  const double backlog = backlog_.Left(now);
  if (records_ >= limits_.records || bytes_ >= limits_.bytes) {
    return std::nullopt;
  }
  const Spool::Lane* best = nullptr;
  for (const Spool::Lane& lane : lanes) {
    if (flights_[lane.epoch].next > lane.last) {
      continue;
    }
    const bool better = best == nullptr || lane.live > best->live ||
                        (lane.live == best->live && lane.kind > best->kind);
    // Half of the window stays free for what is live.
    const bool may = lane.live || (backlog_records_ < limits_.records / 2 && backlog >= 1);
    if (may && better) {
      best = &lane;
    }
  }
  if (best == nullptr) {
    return std::nullopt;
  }
  uint64_t most = std::min(limits_.batch, limits_.records - records_);
  if (!best->live) {
    most = std::min(most, static_cast<uint64_t>(backlog));
  }
  return Pick{best->epoch, flights_[best->epoch].next, most};
}

void Outbox::Sent(uint64_t epoch, uint64_t first, uint64_t last, size_t bytes) {
  Flight& flight = flights_[epoch];
  flight.next = last + 1;
  if (bytes > 0) {
    flight.unacked.emplace_back(last, bytes);
  }
  backlog_.Take(flight.live ? 0 : static_cast<double>(last - first + 1));
}

void Outbox::GoOnAfter(uint64_t epoch, uint64_t sequence) {
  Flight& flight = flights_[epoch];
  flight.next = std::max(flight.next, sequence + 1);
}

}  // namespace parallax::sensor
