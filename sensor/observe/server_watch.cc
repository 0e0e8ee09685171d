#include "sensor/observe/server_watch.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <utility>

#include "common/address_hash.h"

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

constexpr Duration kReportEvery = 10s;
constexpr Duration kHalfMinute = 30s;
constexpr Duration kLearnFor = 30s;  // after the start, whatever comes is taken for usual
constexpr int64_t kMostIdleSeconds = 600;
constexpr uint64_t kHalfOpenIsTrouble = 3;
// A rate that is a flood: ten seconds' worth of what is usual beyond it, and no trickle.
constexpr double kFloodExcess = 10;
constexpr double kFloodRate = 200;
// So many half-open attempts within a window, of which fewer are tried again, are not those of real
// clients, and more than the scanners that every server sees.
constexpr uint64_t kForgedHalfOpen = 20;
constexpr double kForgedRepeated = 0.05;
constexpr Duration kCookiesLinger = 60s;  // after the last one was sent
constexpr uint64_t kLeastForShare = 5;
constexpr size_t kMostReports = 64;
constexpr size_t kHostSamples = 7;  // a minute and the reading before

int64_t Second(MonoTime t) {
  return std::chrono::floor<std::chrono::seconds>(t.time_since_epoch()).count();
}
int64_t HalfMinute(MonoTime t) { return Second(t) / 30; }

// MurmurHash3's finalizer: spreads a small difference over all bits. What goes in is keyed already.
uint64_t Mix(uint64_t x) {
  x = (x ^ x >> 33) * 0xff51afd7ed558ccd;
  x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53;
  return x ^ x >> 33;
}

// Of a counter of the kernel; none if it could not be read and was taken for 0.
uint64_t Growth(uint64_t from, uint64_t to) { return to > from ? to - from : 0; }

}  // namespace

ServerWatch::ServerWatch(const ServerWatchOptions& options)
    : options_(options),
      servers_(std::bit_ceil(std::max(options.servers, kWays))),
      last_client_hash_(AddressHash(options.key, last_client_)),
      total_(options.attempts_per_second_total) {}

ServerWatch::Server& ServerWatch::Of(const IpAddress& address, MonoTime now) {
  if (last_ != nullptr && last_->address == address) {
    Pass(*last_, now);
    return *last_;
  }
  const uint64_t hash = AddressHash(options_.key, address);
  Server* const first = &servers_[hash % (servers_.size() / kWays) * kWays];
  Server* const last = first + kWays;
  Server* server =
      std::find_if(first, last, [&](const Server& s) { return s.used && s.address == address; });
  if (server == last) {
    for (Server* s = first; s != last; ++s) {
      if (s->used) {
        Pass(*s, now);
      }
    }
    const auto worth = [](const Server& s) { return std::pair(s.sampler.sampling(), s.Syns()); };
    server = std::min_element(first, last, [&](const Server& a, const Server& b) {
      return a.used != b.used ? !a.used : worth(a) < worth(b);
    });
    *server = Server{};
    server->used = true;
    server->address = address;
    server->hash = hash;
    server->first_seen = now;
    server->second = Second(now);
    server->half_minute = HalfMinute(now);
    server->sampler = Sampler(options_.attempts_per_second);
  } else {
    Pass(*server, now);
  }
  last_ = server;
  return *server;
}

void ServerWatch::Start(MonoTime now) {
  if (!started_) {
    started_ = now;
    next_report_ = now + kReportEvery;
    half_minute_ = HalfMinute(now);
  }
}

uint64_t ServerWatch::ClientHash(const IpAddress& client) {
  if (client != last_client_) {
    last_client_ = client;
    last_client_hash_ = AddressHash(options_.key, client);
  }
  return last_client_hash_;
}

void ServerWatch::Pass(Server& server, MonoTime now) {
  const int64_t second = Second(now);
  if (second <= server.second) {
    return;
  }
  const bool learning = now - *started_ < kLearnFor;
  server.rate.Second(static_cast<double>(server.syns_in_second), learning);
  for (int64_t i = std::min(second - server.second - 1, kMostIdleSeconds); i > 0; --i) {
    server.rate.Second(0, learning);
  }
  server.syns_in_second = 0;
  server.second = second;
  server.sampler.Pass(now);
  if (const int64_t half = HalfMinute(now); half > server.half_minute) {
    server.previous = half == server.half_minute + 1 ? server.current : Counts{};
    server.current = Counts{};
    server.half_minute = half;
    // What was long ago must not outvote what is now.
    server.port_votes = std::min(server.port_votes, static_cast<int64_t>(server.previous.syns / 4));
  }
}

uint64_t ServerWatch::PortHash(const Server& server, uint16_t port) const {
  return Mix(server.hash + port);
}

void ServerWatch::Count(const SynSegment& segment, MonoTime now) {
  Start(now);
  if (const int64_t half = HalfMinute(now); half > half_minute_) {
    const bool both = half > half_minute_ + 1;
    half_minute_ = half;
    current_ ^= 1;
    port_syns_[current_].Clear();
    port_syn_acks_[current_].Clear();
    if (both) {
      port_syns_[current_ ^ 1].Clear();
      port_syn_acks_[current_ ^ 1].Clear();
    }
  }
  const bool syn = segment.IsSyn();
  const Endpoint& end = syn ? segment.dst : segment.src;
  Server& server = Of(end.address, now);
  if (!syn) {
    ++server.current.syn_acks;
    port_syn_acks_[current_].Add(PortHash(server, end.port));
    return;
  }
  ++server.current.syns;
  ++server.syns_in_second;
  server.current.sources.Add(ClientHash(segment.src.address));
  port_syns_[current_].Add(PortHash(server, end.port));
  if (server.port_votes == 0) {
    server.port = end.port;
  }
  server.port_votes += server.port == end.port ? 1 : -1;
}

uint32_t ServerWatch::Admit(const AttemptKey& key, uint64_t hash, MonoTime now) {
  Server& server = Of(key.server.address, now);
  server.sampler.Offer(now);
  total_.Pass(now);
  if (server.sampler.Wants(hash)) {  // what the first gate holds back costs the second nothing
    total_.Offer(now);
  }
  const uint32_t sampling = std::max(server.sampler.sampling(), total_.sampling());
  const auto follow = [&] {
    // A flood that sets in is no business of the other servers.
    if (server.sampler.Follow()) {
      total_.Follow();
    }
    return sampling;
  };
  if (sampling == 1) {
    return follow();
  }
  server.current.aggregate = true;
  server.current.flooded = server.current.flooded || server.sampler.sampling() > 1;
  if (known_.Knows(ClientHash(key.client.address), now)) {
    if (const int64_t second = Second(now); second > known_second_) {
      known_second_ = second;
      known_followed_ = 0;
    }
    const uint32_t budget = options_.attempts_per_second > 0 ? options_.attempts_per_second
                                                             : options_.attempts_per_second_total;
    if (known_followed_ < budget) {
      ++known_followed_;
      return 1;
    }
  }
  if (!server.sampler.Wants(hash) || !total_.Wants(hash)) {
    return 0;
  }
  return follow();
}

void ServerWatch::Decided(const AttemptEvent& attempt, MonoTime now) {
  if (!started_ || attempt.outcome == AttemptOutcome::kPending) {
    return;
  }
  Server& server = Of(attempt.server.address, now);
  server.current.outcomes[static_cast<size_t>(attempt.outcome)] += attempt.sampling;
  const bool half_open = attempt.outcome == AttemptOutcome::kHalfOpen;
  const bool completed = attempt.outcome == AttemptOutcome::kCompleted;
  if (!half_open && !completed && attempt.outcome != AttemptOutcome::kUnanswered) {
    return;
  }
  const uint64_t client = ClientHash(attempt.client.address);
  if (half_open) {
    ++server.current.half_open_followed;
    server.current.half_open_repeated += attempt.syn_repeated ? attempt.sampling : 0;
    server.current.half_open_known += known_.Knows(client, now) ? attempt.sampling : 0;
  }
  tries_.Count(Mix(client ^ std::rotl(server.hash, 1)), server.hash, !completed, now);
  // Not while there is a flood: with SYN cookies a forged SYN looks completed.
  if (completed && attempt.sampling == 1 && !InFlood(server)) {
    known_.Remember(client, now);
  }
}

bool ServerWatch::InFlood(const Server& server) const {
  return server.current.flooded || server.previous.flooded ||
         (server.rate.excess() >= kFloodExcess && server.rate.rate() >= kFloodRate);
}

bool ServerWatch::IsOwn(const IpAddress& address) const {
  return std::find(options_.addresses.begin(), options_.addresses.end(), address) !=
         options_.addresses.end();
}

bool ServerWatch::MayTrustSilence(const AttemptKey& key, MonoTime now) {
  const IpAddress& server = key.server.address;
  const bool cookies = now < cookies_until_ && IsOwn(server);
  const Server& s = Of(server, now);
  return (!cookies && !InFlood(s) && !IsForgedAt(s)) ||
         known_.Knows(ClientHash(key.client.address), now);
}

bool ServerWatch::IsForgedAt(const Server& server) const {
  return server.HalfOpenFollowed() >= kForgedHalfOpen &&
         static_cast<double>(server.HalfOpenRepeated()) <
             kForgedRepeated * static_cast<double>(server.Outcomes(AttemptOutcome::kHalfOpen));
}

bool ServerWatch::InTrouble(const Server& server) const {
  return InFlood(server) || server.Outcomes(AttemptOutcome::kHalfOpen) >= kHalfOpenIsTrouble;
}

std::vector<const ServerWatch::Server*> ServerWatch::Troubled(MonoTime now) {
  std::vector<const Server*> troubled;
  for (Server& server : servers_) {
    if (server.used) {
      Pass(server, now);
      if (InTrouble(server)) {
        troubled.push_back(&server);
      }
    }
  }
  std::sort(troubled.begin(), troubled.end(), [](const Server* a, const Server* b) {
    return a->Syns() != b->Syns() ? a->Syns() > b->Syns() : a->address < b->address;
  });
  troubled.resize(std::min(troubled.size(), kMostReports));
  return troubled;
}

void ServerWatch::Advance(const Moment& now, const TcpExtCounters& host,
                          std::vector<ServerReport>& out) {
  if (host.syn_cookies_sent > cookies_sent_.value_or(host.syn_cookies_sent)) {
    cookies_until_ = now.mono + kCookiesLinger;
  }
  cookies_sent_ = host.syn_cookies_sent;
  Start(now.mono);      // learning begins with the capture, not with the first SYN
  if (host_.empty()) {  // what the first report is compared with
    host_.push_back({now.mono, host});
  }
  if (now.mono < next_report_) {
    return;
  }
  next_report_ = now.mono + kReportEvery;
  total_.Pass(now.mono);
  host_.insert(host_.begin(), {now.mono, host});
  host_.resize(std::min(host_.size(), kHostSamples));
  for (const Server* server : Troubled(now.mono)) {
    ServerReport report = ReportOf(*server, now);
    if (IsOwn(server->address)) {
      // The oldest reading that is hardly from before the window.
      const auto since = std::find_if(host_.rbegin(), host_.rend(), [&](const HostSample& s) {
        return now.mono - s.at <= report.window + kReportEvery;
      });
      report.listen_overflows = Growth(since->counters.listen_overflows, host.listen_overflows);
      report.syn_cookies_sent = Growth(since->counters.syn_cookies_sent, host.syn_cookies_sent);
    }
    out.push_back(std::move(report));
  }
}

void ServerWatch::Finish(const Moment& now, std::vector<ServerReport>& out) {
  if (started_) {
    for (const Server* server : Troubled(now.mono)) {
      out.push_back(ReportOf(*server, now));
    }
  }
}

ServerReport ServerWatch::ReportOf(const Server& server, const Moment& now) const {
  const Counts& c = server.current;
  const Counts& p = server.previous;
  const MonoTime start = std::min(
      now.mono, std::max(server.first_seen, MonoTime((server.half_minute - 1) * kHalfMinute)));
  const uint64_t port_hash = PortHash(server, server.port);
  const uint64_t half_open = server.Outcomes(AttemptOutcome::kHalfOpen);
  const bool enough = server.HalfOpenFollowed() >= kLeastForShare;
  const auto share = [&](uint64_t part) {
    return enough ? std::optional(static_cast<double>(part) / static_cast<double>(half_open))
                  : std::nullopt;
  };
  const auto port = [&](const std::array<CountMin, 2>& sketch, uint64_t most) {
    return std::min<uint64_t>(
        most, uint64_t{sketch[0].Estimate(port_hash)} + sketch[1].Estimate(port_hash));
  };
  return {.server = server.address,
          .window_start = now.wall - (now.mono - start),
          .window = now.mono - start,
          .age = Duration::zero(),
          .aggregate = c.aggregate || p.aggregate,
          .sampling = std::max(server.sampler.sampling(), total_.sampling()),
          .syns = server.Syns(),
          .syn_acks = c.syn_acks + p.syn_acks,
          .sources = c.sources.EstimateUnion(p.sources),
          .port = server.port,
          .port_syns = port(port_syns_, server.Syns()),
          .port_syn_acks = port(port_syn_acks_, c.syn_acks + p.syn_acks),
          .completed = server.Outcomes(AttemptOutcome::kCompleted),
          .half_open = half_open,
          .unanswered = server.Outcomes(AttemptOutcome::kUnanswered),
          .refused = server.Outcomes(AttemptOutcome::kRefused),
          .unknown = server.Outcomes(AttemptOutcome::kUnknown),
          .half_open_repeated = share(server.HalfOpenRepeated()),
          .half_open_known = share(c.half_open_known + p.half_open_known),
          .all_or_nothing = tries_.AllOrNothing(server.hash, now.mono),
          .syn_rate = server.rate.rate(),
          .usual_rate = server.rate.usual(),
          .excess = server.rate.excess(),
          .listen_overflows = {},
          .syn_cookies_sent = {}};
}

}  // namespace parallax::sensor
