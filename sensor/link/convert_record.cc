#include "sensor/link/convert_record.h"

#include <algorithm>
#include <string_view>

namespace parallax::sensor {
namespace {

constexpr size_t kLongestText = 128;

}  // namespace

std::string Bytes(const IpAddress& address) {
  const auto bytes = address.bytes();
  return std::string(bytes.begin(), bytes.end());
}

std::string Text(const std::string& text) {
  std::string out = text.substr(0, kLongestText);
  std::replace_if(
      out.begin(), out.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return out;
}

uint64_t Nanos(Duration d) { return d.count() < 0 ? 0 : static_cast<uint64_t>(d.count()); }

void FillPrefix(const Prefix& prefix, v1::Prefix* out) {
  out->set_address(Bytes(prefix.address()));
  out->set_length(prefix.length());
}

namespace {

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

void Fill(const Announcement& announcement, v1::Announcement* out) {
  out->set_kind(ToProto(announcement.kind));
  out->set_speaker(Bytes(announcement.speaker));
  out->set_speaker_link(Text(announcement.speaker_link));
  out->set_gateway(Bytes(announcement.gateway));
  if (announcement.prefix) {
    FillPrefix(*announcement.prefix, out->mutable_prefix());
  }
  out->set_withdrawn(announcement.withdrawn);
  out->set_metric(announcement.metric);
  out->set_interface(Text(announcement.interface));
  out->set_first_heard(static_cast<uint64_t>(ToUnixNanos(announcement.first_heard)));
  out->set_age_nanos(Nanos(announcement.age));
  out->set_times(announcement.times);
}

void Fill(const Gap& gap, v1::Gap* out) {
  // The wire's values are ours and one more: 0 is "unspecified" there.
  out->set_kind(static_cast<v1::RecordClass>(static_cast<int>(gap.kind) + 1));
  out->set_epoch(gap.epoch);
  out->set_first_sequence(gap.first);
  out->set_last_sequence(gap.last);
  out->set_reason(static_cast<v1::GapReason>(static_cast<int>(gap.reason) + 1));
  out->set_noticed_at(static_cast<uint64_t>(ToUnixNanos(gap.noticed_at)));
  out->set_age_nanos(Nanos(gap.age));
}

}  // namespace

void Fill(const Record& record, v1::Record* out) {
  if (const auto* attempt = std::get_if<Attempt>(&record)) {
    Fill(*attempt, out->mutable_attempt());
  } else if (const auto* report = std::get_if<ProbeReport>(&record)) {
    Fill(*report, out->mutable_report());
  } else if (const auto* server = std::get_if<ServerReport>(&record)) {
    Fill(*server, out->mutable_server());
  } else if (const auto* path = std::get_if<PathReport>(&record)) {
    Fill(*path, out->mutable_path());
  } else if (const auto* announcement = std::get_if<Announcement>(&record)) {
    Fill(*announcement, out->mutable_announcement());
  } else {
    Fill(std::get<Gap>(record), out->mutable_gap());
  }
}

}  // namespace parallax::sensor
