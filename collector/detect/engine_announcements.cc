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
constexpr Duration kOfferLife = 10min;  // after it was heard last
constexpr Duration kOfferFresh = 150s;  // sensors repeat it every minute
constexpr Duration kFreshAnnouncement = 2min;
constexpr Duration kJustCome = 2min;
constexpr Duration kShortlyBefore = 2min;  // a route is believed soon after it was announced

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

std::string Route(const Announcement& announcement) {
  if (!announcement.prefix) {
    return "itself as a router";
  }
  return IsDefault(announcement) ? std::string("a default route")
                                 : "a route to " + announcement.prefix->ToString();
}

}  // namespace

void Engine::OnAnnouncement(VantageId sensor, const Announcement& announcement, Moment now) {
  if (announcement.age > kFreshAnnouncement) {
    return;
  }
  const OfferKey key{announcement.kind, announcement.speaker, announcement.gateway};
  if (announcement.withdrawn) {
    offers_.erase(key);
    return;
  }
  auto it = offers_.find(key);
  if (it == offers_.end()) {
    if (offers_.size() >= kMostOffers) {
      return;
    }
    it = offers_.emplace(key, Offer{}).first;
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
  if (offer.heard != MonoTime{} && IsDefault(announcement) && !took_all) {
    offer.first_heard = now.wall + -announcement.age;
  }
  paths_changed_ |=
      offer.by.insert_or_assign(vantages_.Name(sensor), vantages_.At(sensor).record.group).second;
  if (offer.heard == MonoTime{} || !took_all || IsDefault(announcement)) {
    offer.announcement = announcement;
  }
  offer.heard = now.mono;
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

// Known from before the trouble, or by the link address of a box that is known as a gateway: a
// router speaks from several addresses.
bool Engine::IsNewcomer(const Offer& offer, const IncidentView& view, Moment now) const {
  const bool known_box = std::any_of(offers_.begin(), offers_.end(), [&](const auto& entry) {
    const Announcement& other = entry.second.announcement;
    return !other.speaker_link.empty() && other.speaker_link == offer.announcement.speaker_link &&
           IsGateway(other.speaker);
  });
  return !IsExpected(offer.announcement) && !known_box &&
         now.wall - offer.first_heard <= now.mono - view.started + kShortlyBefore;
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
  std::erase_if(offers_, [&](const auto& o) { return now.mono - o.second.heard > kOfferLife; });
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
  // Better: named by the traces, a default route, no redirect (which the victim sends), the first.
  using Rank = std::tuple<bool, bool, bool, Duration>;
  const Offer* best = nullptr;
  Rank best_rank;
  for (const auto& [key, offer] : offers_) {
    const Announcement& a = offer.announcement;
    if (!families.contains(a.gateway.family()) || now.mono - offer.heard > kOfferFresh ||
        !IsNewcomer(offer, view, now)) {
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
    const Rank rank{named, IsDefault(a), a.kind != AnnouncementKind::kRedirect,
                    now.wall - offer.first_heard};
    if (best == nullptr || rank > best_rank) {
      best = &offer;
      best_rank = rank;
    }
  }
  if (best == nullptr) {
    return;
  }
  const Announcement& a = best->announcement;
  std::vector<std::string> ears;
  bool elsewhere = false;  // heard by somebody of another group than all who accuse
  for (const auto& [name, group] : best->by) {
    ears.push_back(name);
    elsewhere |= !failing.contains(name) && !groups.contains(group);
  }
  said.evidence["announcement"] = fmt::format(
      "{}{} announces {} by {}, gateway {}; heard by {}, first at {}", a.speaker.ToString(),
      a.speaker_link.empty() ? std::string() : " (" + a.speaker_link + ")", Route(a), Protocol(a),
      a.gateway.ToString(), fmt::join(ears, ", "), FormatRfc3339(best->first_heard));
  if (said.suspect) {
    if (said.suspect->to == kIntoSilence) {
      said.suspect->ambiguity.insert(said.suspect->ambiguity.begin(),
                                     said.suspect->from + " -> " + kIntoSilence);
      said.suspect->to = a.gateway.ToString();
    }
    if (elsewhere) {
      said.suspect->confidence = "confirmed";
    }
  }
}

}  // namespace parallax::collector
