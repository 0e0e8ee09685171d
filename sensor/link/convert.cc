#include "sensor/link/convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

constexpr Duration kLongestWait = 60s;  // no order of ours asks for more
constexpr size_t kLongestText = 128;
constexpr size_t kBatchBytes = 256u << 10;  // a quarter of what the collector takes in one message

std::string Bytes(const IpAddress& address) {
  const auto bytes = address.bytes();
  return std::string(bytes.begin(), bytes.end());
}

// Names of interfaces are any bytes; a string that is no UTF-8 would make the whole message
// unreadable. And nothing gets so long that a batch could outgrow a message.
std::string Text(const std::string& text) {
  std::string out = text.substr(0, kLongestText);
  std::replace_if(
      out.begin(), out.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return out;
}

uint64_t Nanos(Duration d) { return d.count() < 0 ? 0 : static_cast<uint64_t>(d.count()); }

void Fill(const Endpoint& endpoint, v1::Endpoint* out) {
  out->set_address(Bytes(endpoint.address));
  out->set_port(endpoint.port);
}

v1::AttemptOutcome ToProto(AttemptOutcome outcome) {
  switch (outcome) {
    case AttemptOutcome::kPending:
      return v1::ATTEMPT_OUTCOME_PENDING;
    case AttemptOutcome::kCompleted:
      return v1::ATTEMPT_OUTCOME_COMPLETED;
    case AttemptOutcome::kHalfOpen:
      return v1::ATTEMPT_OUTCOME_HALF_OPEN;
    case AttemptOutcome::kUnanswered:
      return v1::ATTEMPT_OUTCOME_UNANSWERED;
    case AttemptOutcome::kRefused:
      return v1::ATTEMPT_OUTCOME_REFUSED;
    case AttemptOutcome::kUnknown:
      return v1::ATTEMPT_OUTCOME_UNKNOWN;
  }
  return v1::ATTEMPT_OUTCOME_UNSPECIFIED;
}

v1::ProbeMethod ToProto(ProbeMethod method) {
  switch (method) {
    case ProbeMethod::kIcmpEcho:
      return v1::PROBE_METHOD_ICMP_ECHO;
    case ProbeMethod::kTcpSyn:
      return v1::PROBE_METHOD_TCP_SYN;
    case ProbeMethod::kUdp:
      return v1::PROBE_METHOD_UDP;
  }
  return v1::PROBE_METHOD_UNSPECIFIED;
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

v1::ProbeState ToProto(ProbeState state) {
  switch (state) {
    case ProbeState::kAnswered:
      return v1::PROBE_STATE_ANSWERED;
    case ProbeState::kSilent:
      return v1::PROBE_STATE_SILENT;
    case ProbeState::kUnreachable:
      return v1::PROBE_STATE_UNREACHABLE;
    case ProbeState::kTimeExceeded:
      return v1::PROBE_STATE_TIME_EXCEEDED;
    case ProbeState::kProhibited:
      return v1::PROBE_STATE_PROHIBITED;
    case ProbeState::kNotSent:
      return v1::PROBE_STATE_NOT_SENT;
    case ProbeState::kRefused:
      return v1::PROBE_STATE_REFUSED;
  }
  return v1::PROBE_STATE_UNSPECIFIED;
}

void Fill(const Attempt& attempt, v1::Attempt* out) {
  Fill(attempt.client, out->mutable_client());
  Fill(attempt.server, out->mutable_server());
  out->set_isn(attempt.isn);
  out->set_first_seen(static_cast<uint64_t>(ToUnixNanos(attempt.first_seen)));
  out->set_age_nanos(Nanos(attempt.age));
  out->set_outcome(ToProto(attempt.outcome));
  out->set_rule(Text(attempt.rule));
  out->set_syns(attempt.syns);
  out->set_syn_acks(attempt.syn_acks);
  out->set_ttl(attempt.ttl);
  out->set_interface(Text(attempt.interface));
  out->set_sampling(attempt.sampling);
}

void Fill(const ServerReport& report, v1::ServerReport* out) {
  out->set_server(Bytes(report.server));
  out->set_window_start(static_cast<uint64_t>(ToUnixNanos(report.window_start)));
  out->set_window_nanos(Nanos(report.window));
  out->set_age_nanos(Nanos(report.age));
  out->set_aggregate(report.aggregate);
  out->set_sampling(report.sampling);
  out->set_syns(report.syns);
  out->set_syn_acks(report.syn_acks);
  out->set_sources(report.sources);
  out->set_port(report.port);
  out->set_port_syns(report.port_syns);
  out->set_port_syn_acks(report.port_syn_acks);
  out->set_completed(report.completed);
  out->set_half_open(report.half_open);
  out->set_unanswered(report.unanswered);
  out->set_refused(report.refused);
  out->set_unknown(report.unknown);
  const auto set = [out](const auto& value, auto setter) {
    if (value) {
      (out->*setter)(*value);
    }
  };
  set(report.half_open_repeated, &v1::ServerReport::set_half_open_repeated);
  set(report.half_open_known, &v1::ServerReport::set_half_open_known);
  set(report.all_or_nothing, &v1::ServerReport::set_all_or_nothing);
  out->set_syn_rate(report.syn_rate);
  out->set_usual_rate(report.usual_rate);
  out->set_excess(report.excess);
  set(report.listen_overflows, &v1::ServerReport::set_listen_overflows);
  set(report.syn_cookies_sent, &v1::ServerReport::set_syn_cookies_sent);
}

void Fill(const ProbeTry& attempt, v1::ProbeTry* out) {
  out->set_method(ToProto(attempt.method));
  out->set_port(attempt.port);
  out->set_flow(attempt.flow);
}

void Fill(const ProbeReport& report, v1::ProbeReport* out) {
  out->set_order_id(report.order_id);
  out->set_target(Bytes(report.target));
  out->set_started_at(static_cast<uint64_t>(ToUnixNanos(report.started_at)));
  out->set_age_nanos(Nanos(report.age));
  for (const ProbeTryResult& result : report.tries) {
    v1::ProbeTryResult* to = out->add_tries();
    Fill(result.attempt, to->mutable_attempt());
    to->set_state(ToProto(result.state));
    to->set_rtt_nanos(Nanos(result.rtt));
    if (result.reporter) {
      to->set_reporter(Bytes(*result.reporter));
    }
    to->set_icmp_type(result.icmp_type);
    to->set_icmp_code(result.icmp_code);
    to->set_detail(Text(result.detail));
    if (result.redirect) {
      to->mutable_redirect()->set_router(Bytes(result.redirect->router));
      to->mutable_redirect()->set_gateway(Bytes(result.redirect->gateway));
    }
  }
}

v1::TraceEnd ToProto(TraceEnd end) {
  switch (end) {
    case TraceEnd::kUnfinished:
      break;
    case TraceEnd::kReached:
      return v1::TRACE_END_REACHED;
    case TraceEnd::kUnreachable:
      return v1::TRACE_END_UNREACHABLE;
    case TraceEnd::kProhibited:
      return v1::TRACE_END_PROHIBITED;
    case TraceEnd::kLoop:
      return v1::TRACE_END_LOOP;
    case TraceEnd::kSilent:
      return v1::TRACE_END_SILENT;
    case TraceEnd::kMaxTtl:
      return v1::TRACE_END_MAX_TTL;
    case TraceEnd::kNotSent:
      return v1::TRACE_END_NOT_SENT;
    case TraceEnd::kRefused:
      return v1::TRACE_END_REFUSED;
  }
  return v1::TRACE_END_UNSPECIFIED;
}

void Fill(const PathReport& report, v1::PathReport* out) {
  out->set_order_id(report.order_id);
  out->set_target(Bytes(report.target));
  Fill(report.attempt, out->mutable_attempt());
  out->set_started_at(static_cast<uint64_t>(ToUnixNanos(report.started_at)));
  out->set_age_nanos(Nanos(report.age));
  out->set_end(ToProto(report.end));
  if (report.reporter) {
    out->set_reporter(Bytes(*report.reporter));
  }
  out->set_changed(report.changed);
  for (const auto& routers : report.hops) {
    v1::PathHop* to = out->add_hops();
    for (const IpAddress& router : routers) {
      to->add_routers(Bytes(router));
    }
  }
}

v1::AnnouncementKind ToProto(AnnouncementKind kind) {
  switch (kind) {
    case AnnouncementKind::kRip:
      return v1::ANNOUNCEMENT_KIND_RIP;
    case AnnouncementKind::kOspf:
      return v1::ANNOUNCEMENT_KIND_OSPF;
    case AnnouncementKind::kRouterAdvertisement:
      return v1::ANNOUNCEMENT_KIND_ROUTER_ADVERTISEMENT;
    case AnnouncementKind::kRedirect:
      return v1::ANNOUNCEMENT_KIND_REDIRECT;
    case AnnouncementKind::kDhcpOffer:
      return v1::ANNOUNCEMENT_KIND_DHCP_OFFER;
  }
  return v1::ANNOUNCEMENT_KIND_UNSPECIFIED;
}

void Fill(const Prefix& prefix, v1::Prefix* out) {
  out->set_address(Bytes(prefix.address()));
  out->set_length(prefix.length());
}

void Fill(const Announcement& announcement, v1::Announcement* out) {
  out->set_kind(ToProto(announcement.kind));
  out->set_speaker(Bytes(announcement.speaker));
  out->set_speaker_link(Text(announcement.speaker_link));
  out->set_gateway(Bytes(announcement.gateway));
  if (announcement.prefix) {
    Fill(*announcement.prefix, out->mutable_prefix());
  }
  out->set_withdrawn(announcement.withdrawn);
  out->set_metric(announcement.metric);
  out->set_interface(Text(announcement.interface));
  out->set_first_heard(static_cast<uint64_t>(ToUnixNanos(announcement.first_heard)));
  out->set_age_nanos(Nanos(announcement.age));
  out->set_times(announcement.times);
}

std::optional<IpAddress> Address(const std::string& bytes) {
  return IpAddress::FromBytes({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
}

// What a try of an order asks for, or why it cannot be done.
Result<ProbeTry> FromProto(const v1::ProbeTry& probe) {
  const auto method = FromProto(probe.method());
  const bool ports = method != ProbeMethod::kIcmpEcho;
  if (!method || (ports && (probe.port() == 0 || probe.port() > 65535))) {
    return Fail(ErrorCode::kFailure, "a try has an unknown method or no port");
  }
  if (probe.flow() > 65535) {
    return Fail(ErrorCode::kFailure, "a try names a flow beyond 65535");
  }
  return ProbeTry{*method, static_cast<uint16_t>(ports ? probe.port() : 0),
                  static_cast<uint16_t>(probe.flow())};
}

Result<Order> ReadProbeOrder(const v1::ProbeOrder& order) {
  const auto target = Address(order.target());
  if (!target) {
    return Fail(ErrorCode::kFailure, "target is not 4 or 16 bytes");
  }
  if (order.tries().empty() || static_cast<size_t>(order.tries_size()) > kMaxTries) {
    return Fail(ErrorCode::kFailure, fmt::format("needs 1 to {} tries", kMaxTries));
  }
  const auto longest = static_cast<uint64_t>(kLongestWait.count());
  if (order.start_after_nanos() > longest || order.spacing_nanos() > longest ||
      order.timeout_nanos() > longest || order.timeout_nanos() == 0) {
    return Fail(ErrorCode::kFailure, "waits must be at most 60 s, the time-out more than 0");
  }
  ProbeOrder out;
  out.id = order.id();
  out.target = *target;
  out.start_after = Duration(order.start_after_nanos());
  out.spacing = Duration(order.spacing_nanos());
  out.timeout = Duration(order.timeout_nanos());
  out.every = order.every();
  for (const v1::ProbeTry& probe : order.tries()) {
    const auto attempt = FromProto(probe);
    if (!attempt) {
      return tl::make_unexpected(attempt.error());
    }
    out.tries.push_back(*attempt);
  }
  return out;
}

Result<Order> ReadPathOrder(const v1::PathOrder& order) {
  const auto target = Address(order.target());
  if (!target) {
    return Fail(ErrorCode::kFailure, "target is not 4 or 16 bytes");
  }
  const auto attempt = FromProto(order.attempt());
  if (!attempt) {
    return tl::make_unexpected(attempt.error());
  }
  return PathOrder{order.id(), *target, *attempt};
}

}  // namespace

v1::Hello ToProto(const SensorHello& hello) {
  v1::Hello out;
  out.set_protocol(hello.protocol);
  out.set_version(Text(hello.version));
  out.set_epoch(hello.epoch);
  for (const IpAddress& address : hello.addresses) {
    out.add_addresses(Bytes(address));
  }
  for (const Prefix& prefix : hello.local_networks) {
    Fill(prefix, out.add_local_networks());
  }
  return out;
}

v1::Health ToProto(const SensorHealth& health) {
  v1::Health out;
  for (const InterfaceHealth& interface : health.interfaces) {
    v1::InterfaceHealth* to = out.add_interfaces();
    to->set_name(Text(interface.name));
    to->set_state(Text(interface.state));
    to->set_packets_received(interface.packets_received);
    to->set_packets_dropped(interface.packets_dropped);
  }
  for (const GatewayHealth& gateway : health.gateways) {
    v1::GatewayHealth* to = out.add_gateways();
    to->set_address(Bytes(gateway.address));
    to->set_reach(gateway.reach == Reach::kUp     ? v1::REACH_UP
                  : gateway.reach == Reach::kDown ? v1::REACH_DOWN
                                                  : v1::REACH_UNKNOWN);
    to->set_asked(gateway.asked);
    to->set_answered(gateway.answered);
  }
  out.set_syns_seen(health.syns_seen);
  out.set_packets_dropped(health.packets_dropped);
  out.set_probes_sent(health.probes_sent);
  out.set_probes_refused(health.probes_refused);
  out.set_spool_records(health.spool_records);
  out.set_spool_bytes(health.spool_bytes);
  out.set_records_dropped(health.records_dropped);
  out.set_attempts_evicted(health.attempts_evicted);
  out.set_segments_unsampled(health.segments_unsampled);
  out.set_probing(health.probing);
  out.set_probing_problem(Text(health.probing_problem));
  return out;
}

v1::Batch ToProto(uint64_t first_sequence, const std::vector<Record>& records) {
  v1::Batch batch;
  batch.set_first_sequence(first_sequence);
  size_t bytes = 0;
  for (const Record& record : records) {
    if (bytes >= kBatchBytes) {
      break;
    }
    v1::Record* out = batch.add_records();
    if (const auto* attempt = std::get_if<Attempt>(&record)) {
      Fill(*attempt, out->mutable_attempt());
    } else if (const auto* report = std::get_if<ProbeReport>(&record)) {
      Fill(*report, out->mutable_report());
    } else if (const auto* server = std::get_if<ServerReport>(&record)) {
      Fill(*server, out->mutable_server());
    } else if (const auto* path = std::get_if<PathReport>(&record)) {
      Fill(*path, out->mutable_path());
    } else {
      Fill(std::get<Announcement>(record), out->mutable_announcement());
    }
    bytes += out->ByteSizeLong();
  }
  return batch;
}

Result<Order> FromProto(const v1::Order& order) {
  const bool probe = order.has_probe();
  if (!probe && !order.has_path()) {
    return Fail(ErrorCode::kFailure, "an order of an unknown kind");
  }
  Result<Order> out = probe ? ReadProbeOrder(order.probe()) : ReadPathOrder(order.path());
  if (!out) {
    return Fail(ErrorCode::kFailure,
                fmt::format("order {}: {}", probe ? order.probe().id() : order.path().id(),
                            out.error().message));
  }
  return out;
}

}  // namespace parallax::sensor
