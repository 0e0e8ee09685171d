#include "sensor/observe/observer.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace parallax::sensor {

bool OwnProbes::Owns(const SynSegment& segment) const {
  const auto ours = [this](const Endpoint& end) {
    return end.port >= first_port && end.port <= last_port &&
           std::find(addresses.begin(), addresses.end(), end.address) != addresses.end();
  };
  // We send SYNs, and RSTs to end what they began; answers are SYN-ACK and RST.
  return ours(segment.src) ? !segment.IsSynAck() : !segment.IsSyn() && ours(segment.dst);
}

Observer::Observer(const ObserverOptions& options)
    : options_(options),
      servers_({.attempts_per_second = options.attempts_per_second,
                .attempts_per_second_total = options.attempts_per_second_total,
                .addresses = options.own_probes.addresses,
                .key = options.key}),
      tracker_({.entries = options.attempts, .key = options.key}, &servers_),
      filter_({.local_networks = options.local_networks, .key = options.key}) {}

void Observer::See(std::span<const CapturedSegment> captured, std::vector<Record>& out) {
  if (captured.empty()) {
    return;
  }
  const auto own = [this](const CapturedSegment& c) { return options_.own_probes.Owns(c.segment); };
  if (std::any_of(captured.begin(), captured.end(), own)) {  // seldom
    foreign_.clear();
    std::remove_copy_if(captured.begin(), captured.end(), std::back_inserter(foreign_), own);
    own_ += captured.size() - foreign_.size();
    tracker_.Observe(foreign_, fresh_);
  } else {
    tracker_.Observe(captured, fresh_);
  }
  Forward(captured.back().seen, out);
}

void Observer::NoteLoss(std::string_view interface, MonoTime until) {
  tracker_.NoteLoss(interface, until);
}

void Observer::Advance(const Moment& now, const TcpExtCounters& host, std::vector<Record>& out) {
  tracker_.Advance(now.mono, fresh_);
  Forward(now.mono, out);
  servers_.Advance(now, host, reports_);
  std::move(reports_.begin(), reports_.end(), std::back_inserter(out));
  reports_.clear();
}

void Observer::Forward(MonoTime now, std::vector<Record>& out) {
  for (const AttemptEvent& attempt : fresh_) {
    servers_.Decided(attempt, now);
    if (filter_.Admit(attempt, now)) {
      out.emplace_back(ToAttempt(attempt));
    }
  }
  fresh_.clear();
}

ObserverStats Observer::stats() const {
  return {.own = own_, .tracker = tracker_.stats(), .filter = filter_.stats()};
}

}  // namespace parallax::sensor
