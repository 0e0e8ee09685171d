#include "collector/detect/path_book.h"

#include <algorithm>
#include <utility>

namespace parallax::collector {

void PathBook::Restore(VantageId sensor, const PathRecord& record, Moment now) {
  if (atlas_.size() < kMostRemembered) {
    const MonoTime seen = now.mono - (now.wall - record.seen_at);
    NoteRouters(record.hops);
    atlas_[{record.target, sensor}] = {record.hops, seen, seen};
  }
}

std::optional<PathOrder> PathBook::Ask(VantageId sensor, const IpAddress& target,
                                       const ProbeTry& attempt, MonoTime now, Duration not_within,
                                       bool down) {
  const Key key{target, sensor};
  const bool under_way = std::any_of(asked_.begin(), asked_.end(), [&](const auto& entry) {
    return entry.second.key == key && entry.second.attempt == attempt;
  });
  const bool fresh = std::any_of(recent_.begin(), recent_.end(), [&](const SeenPath& path) {
    return path.sensor == sensor && path.target == target && path.attempt == attempt &&
           now - path.seen < not_within;
  });
  if (under_way || fresh || asked_.size() >= kMostWaiting) {
    return std::nullopt;
  }
  const uint64_t id = next_id_++;
  asked_[id] = {key, attempt, now, down};
  return PathOrder{id, target, attempt};
}

const SeenPath* PathBook::Accept(VantageId sensor, const PathReport& report, bool down,
                                 MonoTime now) {
  const auto it = asked_.find(report.order_id);
  if (it == asked_.end() || it->second.key != Key{report.target, sensor} ||
      it->second.attempt != report.attempt) {
    return nullptr;
  }
  SeenPath path;
  path.sensor = sensor;
  path.target = report.target;
  path.attempt = report.attempt;
  path.asked = it->second.at;
  path.seen = now;
  path.reached = report.end == TraceEnd::kReached;
  path.failing = (down || it->second.down) && !path.reached;
  path.changed = report.changed;
  path.end = report.end;
  path.hops = report.hops;
  asked_.erase(it);
  if (path.end == TraceEnd::kNotSent || path.end == TraceEnd::kRefused) {
    return nullptr;  // says nothing about the network
  }
  if (path.reached) {
    NoteRouters(path.hops);
  }
  last_seen_[{path.target, path.sensor}] = path.seen;
  recent_.push_back(std::move(path));
  if (recent_.size() > kMostRecent) {
    DropOldest();
  }
  return &recent_.back();
}

std::optional<PathRecord> PathBook::Remember(const SeenPath& path, const SensorName& name,
                                             Moment now) {
  if (!path.reached || path.hops.empty()) {
    return std::nullopt;
  }
  const Key key{path.target, path.sensor};
  auto it = atlas_.find(key);
  if (it == atlas_.end()) {
    if (atlas_.size() >= kMostRemembered) {
      MakeRoom();
    }
    it = atlas_.emplace(key, Known{}).first;
  }
  Known& known = it->second;
  const bool is_news = known.hops != path.hops || now.mono - known.stored > kStoreAgain;
  known.hops = path.hops;
  known.seen = now.mono;
  if (!is_news) {
    return std::nullopt;
  }
  known.stored = now.mono;
  return PathRecord{name, path.target, now.wall, path.hops};
}

void PathBook::MakeRoom() {
  auto next = atlas_.lower_bound(hand_);
  auto oldest = atlas_.end();
  for (size_t i = 0; i < kComparedToMakeRoom; ++i, ++next) {
    next = next == atlas_.end() ? atlas_.begin() : next;
    if (oldest == atlas_.end() || next->second.seen < oldest->second.seen) {
      oldest = next;
    }
  }
  hand_ = next == atlas_.end() ? Key{} : next->first;
  atlas_.erase(oldest);
}

void PathBook::NoteRouters(const PathHops& hops) {
  // The last hop is the target itself; routers before it may be silent.
  bool last = true;
  for (size_t i = hops.size(); i-- > 1;) {
    if (hops[i - 1].empty()) {
      continue;
    }
    const IpAddress& router = hops[i - 1].front();
    if (std::exchange(last, false)) {
      if (exits_.size() < kMostRouters) {
        exits_.insert(router);
      }
    } else if (passed_.size() < kMostRouters || passed_.contains(router)) {
      std::set<IpAddress>& next = passed_[router];
      if (!hops[i].empty() && next.size() < kMostNext) {
        next.insert(hops[i].front());
      }
    }
  }
}

std::set<IpAddress> PathBook::Next(const IpAddress& place) const {
  const auto it = passed_.find(place);
  return it == passed_.end() ? std::set<IpAddress>{} : it->second;
}

void PathBook::Forget(const IpAddress& target) {
  const auto first = atlas_.lower_bound({target, 0});
  auto last = first;
  while (last != atlas_.end() && last->first.target == target) {
    ++last;
  }
  atlas_.erase(first, last);
}

void PathBook::Tick(MonoTime now) {
  std::erase_if(asked_, [&](const auto& entry) { return now - entry.second.at > kGiveUp; });
  while (!recent_.empty() && now - recent_.front().seen > kRecent) {
    DropOldest();
  }
}

void PathBook::DropOldest() {
  const SeenPath& path = recent_.front();
  const auto it = last_seen_.find({path.target, path.sensor});
  if (it != last_seen_.end() && it->second == path.seen) {
    last_seen_.erase(it);
  }
  recent_.pop_front();
}

const PathHops* PathBook::Before(VantageId sensor, const IpAddress& target) const {
  const auto it = atlas_.find({target, sensor});
  return it == atlas_.end() ? nullptr : &it->second.hops;
}

bool PathBook::IsKnown(VantageId sensor, const IpAddress& target, MonoTime now,
                       Duration within) const {
  const Key key{target, sensor};
  const auto last = last_seen_.find(key);
  return (last != last_seen_.end() && now - last->second < within) ||
         std::any_of(asked_.begin(), asked_.end(),
                     [&](const auto& entry) { return entry.second.key == key; });
}

}  // namespace parallax::collector
