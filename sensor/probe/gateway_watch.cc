#include "sensor/probe/gateway_watch.h"

#include <algorithm>

namespace parallax::sensor {
namespace {

constexpr Duration kPingEvery = std::chrono::seconds(2);
constexpr Duration kSilentFor = std::chrono::seconds(6);
// Fewer unanswered requests than this prove nothing, however slowly the pacer lets them out.
constexpr uint32_t kFewestUnanswered = 2;
// A neighbour entry is incomplete for a moment whenever it is first resolved.
constexpr uint32_t kFewestFailedLooks = 2;
constexpr size_t kMostAsked = 4;

}  // namespace

void GatewayWatch::SetGateways(const std::vector<Gateway>& current, MonoTime now) {
  for (Watched& watched : watched_) {
    const auto same = [&](const Gateway& g) {
      return g.address == watched.gateway.address &&
             g.interface_index == watched.gateway.interface_index;
    };
    const auto it = std::find_if(current.begin(), current.end(), same);
    watched.present = it != current.end();
    if (watched.present) {
      watched.gateway = *it;
      watched.failed_looks = it->neighbour == Neighbour::kFailed ? watched.failed_looks + 1 : 0;
    }
  }
  std::erase_if(watched_, [&](Watched& watched) {
    const bool replaced = std::any_of(current.begin(), current.end(), [&](const Gateway& g) {
      return g.address.family() == watched.gateway.address.family();
    });
    if (!watched.present && replaced) {
      Drop(watched, now);
      return true;
    }
    return false;
  });
  for (const Gateway& gateway : current) {
    const bool known = std::any_of(watched_.begin(), watched_.end(), [&](const Watched& watched) {
      return watched.gateway.address == gateway.address &&
             watched.gateway.interface_index == gateway.interface_index;
    });
    if (!known && watched_.size() < kMaxGateways) {
      Watched fresh;
      fresh.gateway = gateway;
      fresh.serial = next_serial_++;
      fresh.next_ping = now;
      fresh.failed_looks = gateway.neighbour == Neighbour::kFailed ? 1 : 0;
      watched_.push_back(std::move(fresh));
    }
  }
}

GatewayWatch::Watched* GatewayWatch::Find(uint64_t serial) {
  const auto it = std::find_if(watched_.begin(), watched_.end(),
                               [&](const Watched& watched) { return watched.serial == serial; });
  return it == watched_.end() ? nullptr : &*it;
}

void GatewayWatch::Drop(Watched& watched, MonoTime now) {
  for (const uint64_t probe_id : watched.asked) {
    ledger_.Close(probe_id, now);
  }
  watched.asked.clear();
}

void GatewayWatch::OnAnswer(const ProbeLedger::Match& match, const Answer& answer, MonoTime now) {
  Watched* watched = Find(match.owner.serial);
  if (watched == nullptr || answer.source != watched->gateway.address) {
    return;  // an error from elsewhere says nothing that silence does not
  }
  watched->last_answer = now;
  watched->unanswered = 0;
  watched->send_failed = false;
}

void GatewayWatch::OnSendError(const ProbeOwner& owner, bool unreachable) {
  if (Watched* watched = Find(owner.serial); watched != nullptr) {
    watched->send_failed = unreachable;
    watched->unanswered -= watched->unanswered > 0 ? 1 : 0;  // it was never asked
  }
}

void GatewayWatch::Advance(MonoTime now, ProbeActions& out) {
  for (Watched& watched : watched_) {
    if (!watched.present || watched.next_ping > now) {
      continue;
    }
    const IpAddress& address = watched.gateway.address;
    const MonoTime allowed = std::max(pacer_.NextForAll(), pacer_.NextFor(address, now));
    if (allowed > now) {
      watched.next_ping = allowed;
      continue;
    }
    const bool link_local = address.IsNeverRemote() && !address.is_v4();
    const ProbeOwner owner{ProbeOwner::Kind::kGateway, watched.serial, 0};
    const auto probe = ledger_.Open(address, link_local ? watched.gateway.interface_index : 0,
                                    ProbeTry{ProbeMethod::kIcmpEcho, 0}, owner, now);
    watched.next_ping = now + kPingEvery;
    if (!probe) {
      continue;
    }
    pacer_.Take(address, now);
    watched.asked.push_back(probe->id);
    if (watched.asked.size() > kMostAsked) {
      ledger_.Close(watched.asked.front(), now);
      watched.asked.pop_front();
    }
    ++watched.unanswered;
    watched.send_failed = false;
    out.sends.push_back({*probe, owner});
  }
}

std::optional<MonoTime> GatewayWatch::NextDeadline() const {
  std::optional<MonoTime> next;
  for (const Watched& watched : watched_) {
    if (watched.present) {
      next = next ? std::min(*next, watched.next_ping) : watched.next_ping;
    }
  }
  return next;
}

Reach GatewayWatch::ReachOf(const Watched& watched, MonoTime now) {
  if (!watched.present || !watched.gateway.link_up || watched.send_failed) {
    return Reach::kDown;
  }
  if (watched.last_answer) {
    const bool silent =
        now - *watched.last_answer > kSilentFor && watched.unanswered >= kFewestUnanswered;
    return silent ? Reach::kDown : Reach::kUp;
  }
  if (watched.gateway.neighbour == Neighbour::kPresent) {
    return Reach::kUp;
  }
  return watched.failed_looks >= kFewestFailedLooks ? Reach::kDown : Reach::kUnknown;
}

std::vector<GatewayHealth> GatewayWatch::Health(MonoTime now) const {
  std::vector<GatewayHealth> health;
  for (const Watched& watched : watched_) {
    health.push_back({watched.gateway.address, ReachOf(watched, now)});
  }
  return health;
}

}  // namespace parallax::sensor
