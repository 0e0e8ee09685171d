#include "collector/ingest/convert_record.h"

#include <algorithm>
#include <cmath>

namespace parallax::collector {
namespace {

constexpr size_t kLongestText = 128;
// A record cannot be older than a year, nor a probe have taken longer than that.
constexpr uint64_t kLongestAge = 366ull * 86'400 * 1'000'000'000;
// A server's window is a minute; a day is nonsense, but adds up.
constexpr uint64_t kLongestWindow = 86'400ull * 1'000'000'000;
constexpr uint32_t kMostSampling = 1u << 31;

std::optional<Endpoint> FromProto(const v1::Endpoint& endpoint) {
  const auto address = ReadAddress(endpoint.address());
  if (!address || endpoint.port() > 65535) {
    return std::nullopt;
  }
  return Endpoint{*address, static_cast<uint16_t>(endpoint.port())};
}

std::optional<AttemptOutcome> FromProto(v1::AttemptOutcome outcome) {
  switch (outcome) {
    case v1::ATTEMPT_OUTCOME_PENDING:
      return AttemptOutcome::kPending;
    case v1::ATTEMPT_OUTCOME_COMPLETED:
      return AttemptOutcome::kCompleted;
    case v1::ATTEMPT_OUTCOME_HALF_OPEN:
      return AttemptOutcome::kHalfOpen;
    case v1::ATTEMPT_OUTCOME_UNANSWERED:
      return AttemptOutcome::kUnanswered;
    case v1::ATTEMPT_OUTCOME_REFUSED:
      return AttemptOutcome::kRefused;
    case v1::ATTEMPT_OUTCOME_UNKNOWN:
      return AttemptOutcome::kUnknown;
    default:
      return std::nullopt;
  }
}

std::optional<ProbeMethod> FromProto(v1::ProbeMethod method) {
  switch (method) {
    case v1::PROBE_METHOD_ICMP_ECHO:
      return ProbeMethod::kIcmpEcho;
    case v1::PROBE_METHOD_TCP_SYN:
      return ProbeMethod::kTcpSyn;
    case v1::PROBE_METHOD_UDP:
      return ProbeMethod::kUdp;
    default:
      return std::nullopt;
  }
}

std::optional<ProbeState> FromProto(v1::ProbeState state) {
  switch (state) {
    case v1::PROBE_STATE_ANSWERED:
      return ProbeState::kAnswered;
    case v1::PROBE_STATE_SILENT:
      return ProbeState::kSilent;
    case v1::PROBE_STATE_UNREACHABLE:
      return ProbeState::kUnreachable;
    case v1::PROBE_STATE_TIME_EXCEEDED:
      return ProbeState::kTimeExceeded;
    case v1::PROBE_STATE_PROHIBITED:
      return ProbeState::kProhibited;
    case v1::PROBE_STATE_NOT_SENT:
      return ProbeState::kNotSent;
    case v1::PROBE_STATE_REFUSED:
      return ProbeState::kRefused;
    default:
      return std::nullopt;
  }
}

std::optional<ProbeTry> FromProto(const v1::ProbeTry& probe) {
  const auto method = FromProto(probe.method());
  if (!method || probe.port() > 65535 || probe.flow() > 65535) {
    return std::nullopt;
  }
  return ProbeTry{*method, static_cast<uint16_t>(probe.port()),
                  static_cast<uint16_t>(probe.flow())};
}

std::optional<TraceEnd> FromProto(v1::TraceEnd end) {
  switch (end) {
    case v1::TRACE_END_REACHED:
      return TraceEnd::kReached;
    case v1::TRACE_END_UNREACHABLE:
      return TraceEnd::kUnreachable;
    case v1::TRACE_END_PROHIBITED:
      return TraceEnd::kProhibited;
    case v1::TRACE_END_LOOP:
      return TraceEnd::kLoop;
    case v1::TRACE_END_SILENT:
      return TraceEnd::kSilent;
    case v1::TRACE_END_MAX_TTL:
      return TraceEnd::kMaxTtl;
    case v1::TRACE_END_NOT_SENT:
      return TraceEnd::kNotSent;
    case v1::TRACE_END_REFUSED:
      return TraceEnd::kRefused;
    default:
      return std::nullopt;
  }
}

std::optional<AnnouncementKind> FromProto(v1::AnnouncementKind kind) {
  switch (kind) {
    case v1::ANNOUNCEMENT_KIND_RIP:
      return AnnouncementKind::kRip;
    case v1::ANNOUNCEMENT_KIND_OSPF:
      return AnnouncementKind::kOspf;
    case v1::ANNOUNCEMENT_KIND_ROUTER_ADVERTISEMENT:
      return AnnouncementKind::kRouterAdvertisement;
    case v1::ANNOUNCEMENT_KIND_REDIRECT:
      return AnnouncementKind::kRedirect;
    case v1::ANNOUNCEMENT_KIND_DHCP_OFFER:
      return AnnouncementKind::kDhcpOffer;
    default:
      return std::nullopt;
  }
}

// A sensor from before there was sampling leaves it out: it follows every attempt.
uint32_t Sampling(uint32_t sampling) { return sampling == 0 ? 1 : sampling; }

Result<Record> ReadAttempt(const v1::Attempt& in) {
  const auto client = FromProto(in.client());
  const auto server = FromProto(in.server());
  const auto outcome = FromProto(in.outcome());
  if (!client || !server || client->address.family() != server->address.family()) {
    return Fail(ErrorCode::kFailure, "attempt with bad endpoints");
  }
  if (!outcome || in.ttl() > 255 || in.first_seen() > kLatestTime || in.age_nanos() > kLongestAge ||
      in.sampling() > kMostSampling) {
    return Fail(ErrorCode::kFailure, "attempt with a value out of range");
  }
  Attempt out;
  out.client = *client;
  out.server = *server;
  out.isn = in.isn();
  out.first_seen = FromUnixNanos(static_cast<int64_t>(in.first_seen()));
  out.age = Duration(in.age_nanos());
  out.outcome = *outcome;
  out.rule = ReadText(in.rule());
  out.syns = in.syns();
  out.syn_acks = in.syn_acks();
  out.ttl = static_cast<uint8_t>(in.ttl());
  out.interface = ReadText(in.interface());
  out.sampling = Sampling(in.sampling());
  return out;
}

Result<Record> ReadReport(const v1::ProbeReport& in) {
  const auto target = ReadAddress(in.target());
  if (!target || in.tries().empty() || static_cast<size_t>(in.tries_size()) > kMaxTries ||
      in.started_at() > kLatestTime || in.age_nanos() > kLongestAge) {
    return Fail(ErrorCode::kFailure, "probe report with a value out of range");
  }
  ProbeReport out;
  out.order_id = in.order_id();
  out.target = *target;
  out.started_at = FromUnixNanos(static_cast<int64_t>(in.started_at()));
  out.age = Duration(in.age_nanos());
  for (const v1::ProbeTryResult& from : in.tries()) {
    const auto state = FromProto(from.state());
    const auto attempt = FromProto(from.attempt());
    if (!state || !attempt || from.rtt_nanos() > kLongestAge || from.icmp_type() > 255 ||
        from.icmp_code() > 255) {
      return Fail(ErrorCode::kFailure, "probe try with a value out of range");
    }
    ProbeTryResult to;
    to.attempt = *attempt;
    to.state = *state;
    to.rtt = Duration(from.rtt_nanos());
    if (!from.reporter().empty()) {
      to.reporter = ReadAddress(from.reporter());
      if (!to.reporter) {
        return Fail(ErrorCode::kFailure, "probe try with a bad reporter address");
      }
    }
    to.icmp_type = static_cast<uint8_t>(from.icmp_type());
    to.icmp_code = static_cast<uint8_t>(from.icmp_code());
    to.detail = ReadText(from.detail());
    if (from.has_redirect()) {
      const auto router = ReadAddress(from.redirect().router());
      const auto gateway = ReadAddress(from.redirect().gateway());
      if (!router || !gateway) {
        return Fail(ErrorCode::kFailure, "probe try with a bad address in its redirect");
      }
      to.redirect = Redirect{*router, *gateway};
    }
    out.tries.push_back(std::move(to));
  }
  return out;
}

bool IsShare(double value) { return value >= 0 && value <= 1; }
bool IsRate(double value) { return std::isfinite(value) && value >= 0; }
bool IsCount(uint64_t value) { return value <= INT64_MAX; }

// What is absent reads as 0.
bool InRange(const v1::ServerReport& in) {
  return in.window_start() <= kLatestTime && in.window_nanos() <= kLongestWindow &&
         in.age_nanos() <= kLongestAge && in.sampling() <= kMostSampling && in.port() <= 65535 &&
         IsCount(in.syns()) && IsCount(in.syn_acks()) && IsCount(in.sources()) &&
         IsCount(in.port_syns()) && IsCount(in.port_syn_acks()) && IsCount(in.completed()) &&
         IsCount(in.half_open()) && IsCount(in.unanswered()) && IsCount(in.refused()) &&
         IsCount(in.unknown()) && IsShare(in.half_open_repeated()) &&
         IsShare(in.half_open_known()) && IsShare(in.all_or_nothing()) && IsRate(in.syn_rate()) &&
         IsRate(in.usual_rate()) && IsRate(in.excess()) && IsCount(in.listen_overflows()) &&
         IsCount(in.syn_cookies_sent());
}

template <typename T>
std::optional<T> If(bool there, T value) {
  return there ? std::optional<T>(value) : std::nullopt;
}

Result<Record> ReadServerReport(const v1::ServerReport& in) {
  const auto server = ReadAddress(in.server());
  if (!server || !InRange(in)) {
    return Fail(ErrorCode::kFailure, "server report with a value out of range");
  }
  ServerReport out;
  out.server = *server;
  out.window_start = FromUnixNanos(static_cast<int64_t>(in.window_start()));
  out.window = Duration(in.window_nanos());
  out.age = Duration(in.age_nanos());
  out.aggregate = in.aggregate();
  out.sampling = Sampling(in.sampling());
  out.syns = in.syns();
  out.syn_acks = in.syn_acks();
  out.sources = in.sources();
  out.port = static_cast<uint16_t>(in.port());
  out.port_syns = in.port_syns();
  out.port_syn_acks = in.port_syn_acks();
  out.completed = in.completed();
  out.half_open = in.half_open();
  out.unanswered = in.unanswered();
  out.refused = in.refused();
  out.unknown = in.unknown();
  out.half_open_repeated = If(in.has_half_open_repeated(), in.half_open_repeated());
  out.half_open_known = If(in.has_half_open_known(), in.half_open_known());
  out.all_or_nothing = If(in.has_all_or_nothing(), in.all_or_nothing());
  out.syn_rate = in.syn_rate();
  out.usual_rate = in.usual_rate();
  out.excess = in.excess();
  out.listen_overflows = If(in.has_listen_overflows(), in.listen_overflows());
  out.syn_cookies_sent = If(in.has_syn_cookies_sent(), in.syn_cookies_sent());
  return out;
}

Result<Record> ReadPath(const v1::PathReport& in) {
  const auto target = ReadAddress(in.target());
  const auto attempt = FromProto(in.attempt());
  const auto end = FromProto(in.end());
  if (!target || !attempt || !end || in.started_at() > kLatestTime ||
      in.age_nanos() > kLongestAge || static_cast<size_t>(in.hops_size()) > kMaxHops) {
    return Fail(ErrorCode::kFailure, "path report with a value out of range");
  }
  PathReport out;
  out.order_id = in.order_id();
  out.target = *target;
  out.attempt = *attempt;
  out.started_at = FromUnixNanos(static_cast<int64_t>(in.started_at()));
  out.age = Duration(in.age_nanos());
  out.end = *end;
  if (!in.reporter().empty()) {
    out.reporter = ReadAddress(in.reporter());
    if (!out.reporter) {
      return Fail(ErrorCode::kFailure, "path report with a bad reporter address");
    }
  }
  out.changed = in.changed();
  for (const v1::PathHop& hop : in.hops()) {
    if (static_cast<size_t>(hop.routers_size()) > kMaxRoutersPerHop) {
      return Fail(ErrorCode::kFailure, "path report with too many routers at one hop");
    }
    auto& routers = out.hops.emplace_back();
    for (const std::string& bytes : hop.routers()) {
      const auto router = ReadAddress(bytes);
      if (!router || router->family() != target->family()) {
        return Fail(ErrorCode::kFailure, "path report with a bad router address");
      }
      routers.push_back(*router);
    }
  }
  return out;
}

Result<Record> ReadAnnouncement(const v1::Announcement& in) {
  const auto kind = FromProto(in.kind());
  const auto speaker = ReadAddress(in.speaker());
  const auto gateway = ReadAddress(in.gateway());
  if (!kind || !speaker || !gateway || in.first_heard() > kLatestTime ||
      in.age_nanos() > kLongestAge || !IsCount(in.times())) {
    return Fail(ErrorCode::kFailure, "announcement with a value out of range");
  }
  Announcement out;
  out.kind = *kind;
  out.speaker = *speaker;
  out.speaker_link = ReadText(in.speaker_link());
  out.gateway = *gateway;
  if (in.has_prefix()) {
    out.prefix = ReadPrefix(in.prefix());
    if (!out.prefix) {
      return Fail(ErrorCode::kFailure, "announcement with a bad prefix");
    }
  }
  out.withdrawn = in.withdrawn();
  out.metric = in.metric();
  out.interface = ReadText(in.interface());
  out.first_heard = FromUnixNanos(static_cast<int64_t>(in.first_heard()));
  out.age = Duration(in.age_nanos());
  out.times = in.times();
  return out;
}

Result<Record> ReadGap(const v1::Gap& in) {
  if (in.kind() < v1::RECORD_CLASS_BULK || in.kind() > v1::RECORD_CLASS_EVIDENCE ||
      in.reason() < v1::GAP_REASON_FULL || in.reason() > v1::GAP_REASON_STOPPED ||
      in.first_sequence() == 0 || in.first_sequence() > INT64_MAX ||
      in.last_sequence() > INT64_MAX || in.noticed_at() > kLatestTime ||
      in.age_nanos() > kLongestAge ||
      (in.last_sequence() != 0 && in.last_sequence() < in.first_sequence())) {
    return Fail(ErrorCode::kFailure, "gap with a value out of range");
  }
  Gap out;
  // The wire's values are ours and one more: 0 is "unspecified" there.
  out.kind = static_cast<RecordClass>(static_cast<int>(in.kind()) - 1);
  out.epoch = in.epoch();
  out.first = in.first_sequence();
  out.last = in.last_sequence();
  out.reason = static_cast<GapReason>(static_cast<int>(in.reason()) - 1);
  out.noticed_at = FromUnixNanos(static_cast<int64_t>(in.noticed_at()));
  out.age = Duration(in.age_nanos());
  return out;
}

}  // namespace

std::optional<IpAddress> ReadAddress(const std::string& bytes) {
  return IpAddress::FromBytes({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
}

std::string ReadText(const std::string& text) {
  std::string out = text.substr(0, kLongestText);
  std::replace_if(
      out.begin(), out.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return out;
}

std::optional<Prefix> ReadPrefix(const v1::Prefix& prefix) {
  const auto address = ReadAddress(prefix.address());
  return address && prefix.length() <= address->bits()
             ? std::optional<Prefix>(Prefix(*address, prefix.length()))
             : std::nullopt;
}

Result<Record> ReadRecord(const v1::Record& record) {
  switch (record.kind_case()) {
    case v1::Record::kAttempt:
      return ReadAttempt(record.attempt());
    case v1::Record::kReport:
      return ReadReport(record.report());
    case v1::Record::kServer:
      return ReadServerReport(record.server());
    case v1::Record::kPath:
      return ReadPath(record.path());
    case v1::Record::kAnnouncement:
      return ReadAnnouncement(record.announcement());
    case v1::Record::kGap:
      return ReadGap(record.gap());
    case v1::Record::KIND_NOT_SET:
      break;
  }
  return Fail(ErrorCode::kFailure, "record of an unknown kind");
}

}  // namespace parallax::collector
