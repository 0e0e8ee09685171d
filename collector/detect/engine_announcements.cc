// Who offers itself as a gateway on the sensors' wires. A default route from somebody who is no
// sensor's gateway is the cause of a route anomaly more often than not: it names the bogus next hop
// even if that box swallows all that it is sent, and heard by others than the accusers it is a
// witness that they cannot make up.
#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "collector/detect/engine.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;

constexpr size_t kMostOffers = 1'000;
constexpr size_t kMostOffersOfOne = 250;  // told first by one sensor: it may make them up
// After it was heard last. A router may wait half an hour between two advertisements (RFC 4861).
constexpr Duration kOfferLife = 35min;
constexpr Duration kRipGone = 100s;   // three in a row were missed: if it is back, that is news
constexpr Duration kRipFresh = 150s;  // said twice a minute; without a word, routes die in three
constexpr Duration kFreshAnnouncement = 2min;
constexpr Duration kJustCome = 2min;
constexpr Duration kShortlyBefore = 2min;  // a route is believed soon after it was announced
constexpr Duration kShortlyAfter = 2min;   // not every announcement is heard
constexpr size_t kMostRivals = 3;          // that are told

bool IsDefault(const Announcement& announcement) {
  return announcement.prefix && announcement.prefix->length() == 0;
}

std::string_view Protocol(const Announcement& announcement) {
  return announcement.kind == AnnouncementKind::kRip && !announcement.gateway.is_v4()
             ? "ripng"
             : ToString(announcement.kind);
}

bool HasGateway(const Vantage& vantage, const IpAddress& address) {
  const auto& gateways = vantage.record.health.gateways;
  return std::any_of(gateways.begin(), gateways.end(),
                     [&](const GatewayHealth& gateway) { return gateway.address == address; });
}

bool IsFresh(const Announcement& announcement, Duration silent) {
  return silent <= (announcement.kind == AnnouncementKind::kRip ? kRipFresh : kOfferLife);
}

// When half of those that fail now had been found failing. An incident may have begun as a small
// one long before.
MonoTime HalfFailing(const IncidentView& view) {
  std::vector<MonoTime> since;
  since.reserve(view.members.size());
  for (const IncidentView::Member& member : view.members) {
    since.push_back(member.since);
  }
  if (since.empty()) {
    return view.started;
  }
  const auto middle = since.begin() + static_cast<std::ptrdiff_t>(since.size() / 2);
  std::nth_element(since.begin(), middle, since.end());
  return *middle;
}

std::string Route(const Announcement& announcement) {
  if (!announcement.prefix) {
    return "itself as a router";
  }
  return IsDefault(announcement) ? std::string("a default route")
                                 : "a route to " + announcement.prefix->ToString();
}

}  // namespace

void Engine::OnAnnouncement(VantageId sensor, const Announcement& announcement, Moment now) {
  if (announcement.age > kFreshAnnouncement || !Uses(Part::kAnnouncements)) {
    return;
  }
  const OfferKey key{announcement.kind, announcement.speaker, announcement.gateway};
  auto it = offers_.find(key);
  if (announcement.withdrawn) {
    // Of this route and by the word of this sensor alone: what others hear stands.
    if (it != offers_.end() && it->second.announcement.prefix == announcement.prefix) {
      it->second.by.erase(vantages_.Name(sensor));
      if (it->second.by.empty()) {
        offers_.erase(it);
      }
    }
    return;
  }
  if (it == offers_.end()) {
    if (!HasRoomForOffer(sensor)) {
      return;
    }
    it = offers_.emplace(key, Offer{}).first;
    it->second.told_by = sensor;
    it->second.first_heard = now.wall + -announcement.age;
    // Told by a sensor that has just come: it may have heard that long ago, by its own clock.
    if (now.mono - vantages_.At(sensor).state_since < kJustCome) {
      it->second.first_heard = std::min(it->second.first_heard, announcement.first_heard);
    }
    if (!IsExpected(announcement)) {
      actions_.notes.push_back(fmt::format("sensor {} hears {} announce {} by {}, gateway {}",
                                           vantages_.Name(sensor), announcement.speaker.ToString(),
                                           Route(announcement), Protocol(announcement),
                                           announcement.gateway.ToString()));
    }
  }
  Offer& offer = it->second;
  // One that takes all packets over is not hidden by its other routes, and is news if it did not.
  const bool took_all = IsDefault(offer.announcement);
  // So is one that is back after a while in which the sensor would have heard it.
  const bool back = offer.heard != MonoTime{} && announcement.kind == AnnouncementKind::kRip &&
                    now.mono - std::max(offer.heard, vantages_.At(sensor).state_since) > kRipGone;
  if (back || (offer.heard != MonoTime{} && IsDefault(announcement) && !took_all)) {
    offer.first_heard = now.wall + -announcement.age;
  }
  paths_changed_ |=
      offer.by.insert_or_assign(vantages_.Name(sensor), vantages_.At(sensor).record.group).second;
  if (offer.heard == MonoTime{} || !took_all || IsDefault(announcement)) {
    offer.announcement = announcement;
  }
  offer.heard = now.mono;
}

bool Engine::HasRoomForOffer(VantageId sensor) const {
  return offers_.size() < kMostOffers &&
         static_cast<size_t>(std::count_if(
             offers_.begin(), offers_.end(),
             [&](const auto& entry) { return entry.second.told_by == sensor; })) < kMostOffersOfOne;
}

void Engine::ForgetOffers(MonoTime now) {
  std::erase_if(offers_, [&](const auto& o) { return now - o.second.heard > kOfferLife; });
}

bool Engine::IsExpected(const Announcement& announcement) const {
  const bool swallows = announcement.kind != AnnouncementKind::kOspf && announcement.prefix;
  if (!swallows) {
    return true;  // a router that says hello takes nothing over by itself
  }
  return IsGateway(announcement.gateway) || IsGateway(announcement.speaker);
}

bool Engine::IsGateway(const IpAddress& address) const {
  for (VantageId id = 0; id < vantages_.size(); ++id) {
    if (HasGateway(vantages_.At(id), address)) {
      return true;
    }
  }
  return false;
}

// A router speaks from several addresses: the link addresses of boxes that are known as gateways.
std::set<std::string> Engine::LinksOfGateways() const {
  std::set<std::string> links;
  for (const auto& [key, offer] : offers_) {
    const Announcement& a = offer.announcement;
    if (!a.speaker_link.empty() && IsGateway(a.speaker)) {
      links.insert(a.speaker_link);
    }
  }
  return links;
}

// Does the router with this address stand on a wire of those who heard the offer?
bool Engine::HearsIt(const IpAddress& router, const Offer& offer) const {
  const auto of_group = [&](VantageId id) {
    return std::any_of(offer.by.begin(), offer.by.end(),
                       [&](const auto& by) { return by.second == vantages_.At(id).record.group; });
  };
  for (VantageId id = 0; id < vantages_.size(); ++id) {
    if (of_group(id) && HasGateway(vantages_.At(id), router)) {
      return true;
    }
  }
  return std::any_of(paths_.recent().begin(), paths_.recent().end(), [&](const SeenPath& seen) {
    return !seen.hops.empty() && !seen.hops.front().empty() &&
           seen.hops.front().front() == router && of_group(seen.sensor);
  });
}

void Engine::AddWitness(const IncidentView& view, Explanation& said, Moment now) {
  std::set<SensorName> failing;
  std::set<Family> families;
  for (const IncidentView::Member& member : view.members) {
    failing.insert(member.failing.begin(), member.failing.end());
    families.insert(member.target.family());
  }
  std::set<std::string> groups;
  for (const VantageId id : Ids({failing.begin(), failing.end()})) {
    groups.insert(vantages_.At(id).record.group);
  }
  const auto from = said.suspect ? IpAddress::Parse(said.suspect->from) : std::nullopt;
  // A newcomer spoke up a little before the trouble; at the latest, when it was new.
  const WallTime earliest = now.wall - (now.mono - view.started + kShortlyBefore);
  const WallTime latest = now.wall - (now.mono - HalfFailing(view)) + kShortlyAfter;
  const std::set<std::string> known_boxes = LinksOfGateways();
  // Better: named by the traces, a default route, no redirect (which the victim sends); the first.
  using Rank = std::tuple<bool, bool, bool>;
  struct Candidate {
    Rank rank;
    const Offer* offer;
  };
  std::vector<Candidate> candidates;
  for (const auto& [key, offer] : offers_) {
    const Announcement& a = offer.announcement;
    if (!families.contains(a.gateway.family()) || !IsFresh(a, now.mono - offer.heard) ||
        offer.first_heard < earliest || offer.first_heard > latest || IsExpected(a) ||
        known_boxes.contains(a.speaker_link)) {
      continue;
    }
    const bool named = said.suspect && (said.suspect->to == a.gateway.ToString() ||
                                        said.suspect->to == a.speaker.ToString());
    const bool near = std::any_of(offer.by.begin(), offer.by.end(),
                                  [&](const auto& by) { return groups.contains(by.second); });
    // Of a silent next hop it is the name, if that router can have heard it at all.
    const bool silent = said.suspect && said.suspect->to == kIntoSilence && from &&
                        from->family() == a.gateway.family() && HearsIt(*from, offer);
    if (!named && !(near && (silent || !said.suspect))) {
      continue;
    }
    candidates.push_back({{named, IsDefault(a), a.kind != AnnouncementKind::kRedirect}, &offer});
  }
  const auto best = std::min_element(
      candidates.begin(), candidates.end(), [](const Candidate& one, const Candidate& other) {
        return one.rank != other.rank ? one.rank > other.rank
                                      : one.offer->first_heard < other.offer->first_heard;
      });
  if (best == candidates.end()) {
    return;
  }
  const Announcement& a = best->offer->announcement;
  // Other boxes that are as good but for the moment: if no trace tells, nobody knows which it is.
  std::set<IpAddress> rivals;
  for (const Candidate& candidate : candidates) {
    const Announcement& other = candidate.offer->announcement;
    const bool same_box = other.gateway == a.gateway ||
                          (!a.speaker_link.empty() && other.speaker_link == a.speaker_link);
    if (said.suspect && said.suspect->to == kIntoSilence && !same_box &&
        candidate.rank == best->rank) {
      rivals.insert(other.gateway);
    }
  }
  std::vector<std::string> ears;
  bool elsewhere = false;  // heard by somebody of another group than all who accuse
  for (const auto& [name, group] : best->offer->by) {
    ears.push_back(name);
    elsewhere |= !failing.contains(name) && !groups.contains(group);
  }
  said.evidence["announcement"] = fmt::format(
      "{}{} announces {} by {}, gateway {}; heard by {}, first at {}", a.speaker.ToString(),
      a.speaker_link.empty() ? std::string() : " (" + a.speaker_link + ")", Route(a), Protocol(a),
      a.gateway.ToString(), fmt::join(ears, ", "), FormatRfc3339(best->offer->first_heard));
  if (said.suspect) {
    if (said.suspect->to == kIntoSilence) {
      said.suspect->ambiguity.insert(said.suspect->ambiguity.begin(),
                                     said.suspect->from + " -> " + kIntoSilence);
      size_t told = 0;
      for (auto it = rivals.begin(); it != rivals.end() && told < kMostRivals; ++it, ++told) {
        said.suspect->ambiguity.push_back(said.suspect->from + " -> " + it->ToString());
      }
      said.suspect->to = a.gateway.ToString();
    }
    if (elsewhere && rivals.empty()) {
      said.suspect->confidence = "confirmed";
    }
  }
}

}  // namespace parallax::collector
