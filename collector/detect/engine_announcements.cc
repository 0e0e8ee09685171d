// Who offers itself as a gateway on the sensors' wires. A default route from somebody who is no
// sensor's gateway is the cause of a route anomaly more often than not: it names the bogus next hop
// even if that box swallows all that it is sent, and heard by others than the accusers it is a
// witness that they cannot make up.
#include <fmt/format.h>

#include <algorithm>

#include "collector/detect/engine.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;

constexpr size_t kMostOffers = 1'000;
constexpr Duration kOfferLife = 10min;  // after it was heard last
constexpr Duration kFreshAnnouncement = 2min;

std::string Route(const Announcement& announcement) {
  if (!announcement.prefix) {
    return "itself as a router";
  }
  return announcement.prefix->length() == 0 ? std::string("a default route")
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
    if (!IsExpected(announcement)) {
      actions_.notes.push_back(fmt::format("sensor {} hears {} announce {} by {}, gateway {}",
                                           vantages_.Name(sensor), announcement.speaker.ToString(),
                                           Route(announcement), ToString(announcement.kind),
                                           announcement.gateway.ToString()));
    }
  }
  Offer& offer = it->second;
  paths_changed_ |=
      offer.by.insert_or_assign(vantages_.Name(sensor), vantages_.At(sensor).record.group).second;
  offer.announcement = announcement;
  offer.heard = now.mono;
}

bool Engine::IsExpected(const Announcement& announcement) const {
  const bool swallows = announcement.kind != AnnouncementKind::kOspf && announcement.prefix;
  if (!swallows) {
    return true;  // a router that says hello takes nothing over by itself
  }
  for (VantageId id = 0; id < vantages_.size(); ++id) {
    for (const GatewayHealth& gateway : vantages_.At(id).record.health.gateways) {
      if (gateway.address == announcement.gateway || gateway.address == announcement.speaker) {
        return true;
      }
    }
  }
  return false;
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
  const Offer* best = nullptr;
  for (const auto& [key, offer] : offers_) {
    const bool near = std::any_of(offer.by.begin(), offer.by.end(),
                                  [&](const auto& by) { return groups.contains(by.second); });
    if (!families.contains(offer.announcement.gateway.family()) || IsExpected(offer.announcement)) {
      continue;
    }
    const std::string gateway = offer.announcement.gateway.ToString();
    const bool named = said.suspect && (said.suspect->to == gateway ||
                                        said.suspect->to == offer.announcement.speaker.ToString());
    const bool fits = named || (near && (!said.suspect || said.suspect->to == kIntoSilence));
    if (fits && (best == nullptr || named || offer.first_heard > best->first_heard)) {
      best = &offer;
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
      a.speaker_link.empty() ? std::string() : " (" + a.speaker_link + ")", Route(a),
      ToString(a.kind), a.gateway.ToString(), fmt::join(ears, ", "),
      FormatRfc3339(best->first_heard));
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
