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
    gate_.ledger().Close(probe_id, now);
  }
  watched.asked.clear();
}

void GatewayWatch::OnAnswer(const ProbeMatch& match, const Answer& answer, const Moment& now) {
  Watched* watched = Find(match.owner.serial);
  if (watched == nullptr || match.late || answer.kind == AnswerKind::kRedirect ||
      answer.source != watched->gateway.address) {
    return;  // an error from elsewhere says nothing that silence does not
  }
  watched->last_answer = now.mono;
  ++watched->answered;
  watched->unanswered = 0;
  watched->send_failed = false;
}

void GatewayWatch::OnSendError(const ProbeOwner& owner, int error, const Moment&) {
  if (Watched* watched = Find(owner.serial); watched != nullptr) {
    watched->send_failed = SaysUnreachable(error);
    watched->unanswered -= watched->unanswered > 0 ? 1 : 0;  // it was never asked
    --watched->sent;
  }
}

void GatewayWatch::Advance(const Moment& now, size_t most, std::vector<ProbeSend>& sends) {
  const size_t enough = sends.size() + most;
  for (Watched& watched : watched_) {
    if (!watched.present || watched.next_ping > now.mono || sends.size() >= enough) {
      continue;
    }
    if (!gate_.policy()) {  // nobody may be asked, and that is nobody's refusal
      watched.next_ping = now.mono + kPingEvery;
      continue;
    }
    const IpAddress& address = watched.gateway.address;
    const bool link_local = address.IsNeverRemote() && !address.is_v4();
    const GateAnswer answer = gate_.Ask({.target = address,
                                         .attempt = {ProbeMethod::kIcmpEcho},
                                         .owner = {ProbeOwner::Kind::kGateway, 0, watched.serial},
                                         .own_gateway = true,
                                         .scope = link_local ? watched.gateway.interface_index : 0},
                                        now.mono, sends);
    if (answer.word == GateWord::kLater) {
      watched.next_ping = answer.at;
      continue;
    }
    watched.next_ping = now.mono + kPingEvery;
    if (answer.word != GateWord::kSent) {
      continue;
    }
    watched.asked.push_back(answer.probe_id);
    if (watched.asked.size() > kMostAsked) {
      gate_.ledger().Close(watched.asked.front(), now.mono);
      watched.asked.pop_front();
    }
    ++watched.unanswered;
    ++watched.sent;
    watched.send_failed = false;
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
    // The last one may still be under way.
    const uint64_t asked =
        watched.sent - std::min<uint64_t>(watched.unanswered > 0 ? 1 : 0, watched.sent);
    health.push_back({watched.gateway.address, ReachOf(watched, now),
                      std::max(asked, watched.answered), watched.answered});
  }
  return health;
}

}  // namespace parallax::sensor
