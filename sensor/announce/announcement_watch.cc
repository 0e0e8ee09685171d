#include "sensor/announce/announcement_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

constexpr Duration kRepeatAfter = 60s;
constexpr Duration kLeastBetween = 1s;  // two records of the same announcement
constexpr Duration kForgetAfter = 1h;
constexpr Duration kForgetStrangerAfter = 60s;  // heard just once
constexpr Duration kRipGone = 100s;  // three in a row were missed: if it is back, that is news

// "02:00:00:00:00:01"; empty if there is none.
std::string LinkAddressText(const std::optional<LinkAddress>& address) {
  return address ? fmt::format("{:02x}", fmt::join(*address, ":")) : std::string();
}

}  // namespace

AnnouncementWatch::AnnouncementWatch(const AnnouncementWatchOptions& options) : options_(options) {
  for (Table& table : tables_) {
    table.entries.reserve(options_.entries);
    table.tokens = options_.new_at_once;
  }
}

void AnnouncementWatch::Hear(const CapturedAnnouncement& captured, std::vector<Record>& out) {
  offers_.clear();
  reader_.Read(captured.packet, offers_);
  for (const GatewayOffer& offer : offers_) {
    Hear(offer, captured, out);
  }
}

void AnnouncementWatch::Hear(const GatewayOffer& offer, const CapturedAnnouncement& captured,
                             std::vector<Record>& out) {
  const MonoTime now = captured.seen;
  Table& table = tables_[static_cast<size_t>(offer.kind)];
  const auto found = std::find_if(table.entries.begin(), table.entries.end(), [&](const Entry& e) {
    const Announcement& a = e.announcement;
    return a.gateway == offer.gateway && a.speaker == offer.speaker && a.prefix == offer.prefix &&
           a.interface == captured.interface;
  });
  Entry* entry = found == table.entries.end() ? nullptr : &*found;
  const bool known = entry != nullptr && now - entry->heard_at < kForgetAfter;
  const bool back =
      known && offer.kind == AnnouncementKind::kRip && now - entry->heard_at > kRipGone;
  if (entry == nullptr && (entry = Admit(table, now)) == nullptr) {
    return;
  }
  if (known && !back && entry->announcement.metric == offer.metric &&
      entry->announcement.withdrawn == offer.withdrawn &&
      entry->link == captured.packet.link_source) {
    ++entry->announcement.times;
  } else {
    *entry = {.announcement = ToAnnouncement(offer, captured),
              .link = captured.packet.link_source,
              .heard_at = now,
              .told_at = known ? entry->told_at : now - kLeastBetween,
              .waiting = true};
    waiting_ = true;
  }
  entry->heard_at = std::max(entry->heard_at, now);
  const Duration since = now - entry->told_at;
  if (entry->waiting ? since >= kLeastBetween : !offer.withdrawn && since >= kRepeatAfter) {
    Tell(*entry, now, out);
  }
}

void AnnouncementWatch::Advance(MonoTime now, std::vector<Record>& out) {
  if (!std::exchange(waiting_, false)) {
    return;
  }
  for (Table& table : tables_) {
    for (Entry& entry : table.entries) {
      if (entry.waiting && now - entry.told_at >= kLeastBetween) {
        Tell(entry, now, out);
      }
      waiting_ = waiting_ || entry.waiting;
    }
  }
}

AnnouncementWatch::Entry* AnnouncementWatch::Admit(Table& table, MonoTime now) {
  std::vector<Entry>& entries = table.entries;
  Entry* place = nullptr;
  if (entries.size() >= options_.entries) {
    for (Entry& entry : entries) {
      const Duration keep = entry.announcement.times > 1 ? kForgetAfter : kForgetStrangerAfter;
      if (now - entry.heard_at >= keep && (place == nullptr || entry.heard_at < place->heard_at)) {
        place = &entry;
      }
    }
    if (place == nullptr) {
      ++stats_.no_room;
      return nullptr;
    }
  }
  if (!TakeToken(table, now)) {
    ++stats_.held_back;
    return nullptr;
  }
  return place != nullptr ? place : &entries.emplace_back();
}

bool AnnouncementWatch::TakeToken(Table& table, MonoTime now) const {
  if (now > table.filled_at) {
    table.tokens =
        std::min(options_.new_at_once,
                 table.tokens + options_.new_per_second * ToSeconds(now - table.filled_at));
    table.filled_at = now;
  }
  if (table.tokens < 1) {
    return false;
  }
  table.tokens -= 1;
  return true;
}

void AnnouncementWatch::Tell(Entry& entry, MonoTime now, std::vector<Record>& out) {
  entry.told_at = now;
  entry.waiting = false;
  ++stats_.told;
  Announcement& told = std::get<Announcement>(out.emplace_back(entry.announcement));
  told.age = std::max(now - entry.heard_at, Duration::zero());
}

AnnouncementWatchStats AnnouncementWatch::stats() const {
  AnnouncementWatchStats stats = stats_;
  stats.read = reader_.counts();
  return stats;
}

Announcement ToAnnouncement(const GatewayOffer& offer, const CapturedAnnouncement& captured) {
  return {.kind = offer.kind,
          .speaker = offer.speaker,
          .speaker_link = LinkAddressText(captured.packet.link_source),
          .gateway = offer.gateway,
          .prefix = offer.prefix,
          .withdrawn = offer.withdrawn,
          .metric = offer.metric,
          .interface = std::string(captured.interface),
          .first_heard = captured.stamp,
          .age = {},
          .times = 1};
}

}  // namespace parallax::sensor
