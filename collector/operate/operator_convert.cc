#include "collector/operate/operator_convert.h"

#include <string>

namespace parallax::collector {
namespace {

const char* Word(Reach reach) {
  switch (reach) {
    case Reach::kUp:
      return "up";
    case Reach::kDown:
      return "down";
    case Reach::kUnknown:
      break;
  }
  return "unknown";
}

std::string Text(std::string_view text) { return std::string(text); }

}  // namespace

uint64_t ToProto(WallTime time) {
  const int64_t nanos = ToUnixNanos(time);
  return nanos > 0 ? static_cast<uint64_t>(nanos) : 0;
}

void ToProto(const StatusCounts& counts, v1::Status* out) {
  for (const auto& [state, number] : counts.sensors) {
    (*out->mutable_sensors())[state] = number;
  }
  for (const auto& [verdict, number] : counts.targets) {
    (*out->mutable_targets())[verdict] = number;
  }
  for (const auto& [verdict, number] : counts.incidents) {
    (*out->mutable_incidents())[verdict] = number;
  }
  out->set_attempts_total(counts.attempts_total);
  out->set_reports_total(counts.reports_total);
  out->set_database_bytes(counts.database_bytes);
  out->set_attempts_last_minute(counts.attempts_last_minute);
  out->set_half_open_last_minute(counts.half_open_last_minute);
}

void ToProto(const DiskFacts& disk, v1::Status* out) {
  out->set_database_path(disk.database_path);
  out->set_database_wal_bytes(disk.wal_bytes);
  out->set_disk_free_bytes(disk.free_bytes);
}

void ToProto(const DaemonFacts& daemon, v1::Status* out) {
  out->set_store_problem(daemon.store_problem);
  out->set_certificate_made_at(ToProto(daemon.certificate_made));
  out->set_certificate_expires_at(ToProto(daemon.certificate_expires));
  out->set_ca_made_at(ToProto(daemon.ca_made));
  out->set_ca_expires_at(ToProto(daemon.ca_expires));
  out->set_local_networks(static_cast<uint32_t>(daemon.local_networks));
  out->set_retention_nanos(static_cast<uint64_t>(daemon.retention.count()));
}

void ToProto(const SensorRecord& sensor, v1::Sensor* out) {
  out->set_id(sensor.name);
  out->set_name(sensor.name);
  out->set_group(sensor.group);
  out->set_state(Text(ToString(sensor.state)));
  out->set_version(sensor.version);
  if (sensor.address) {
    out->set_address(sensor.address->ToString());
  }
  out->set_first_seen_at(ToProto(sensor.first_seen));
  out->set_last_seen_at(ToProto(sensor.last_seen));
  out->set_syns_seen(sensor.health.syns_seen);
  out->set_packets_dropped(sensor.health.packets_dropped);
  out->set_probes_sent(sensor.health.probes_sent);
  out->set_probes_refused(sensor.health.probes_refused);
  out->set_spool_records(sensor.health.spool_records);
  out->set_spool_bytes(sensor.health.spool_bytes);
  out->set_records_dropped(sensor.health.records_dropped);
  out->set_attempts_evicted(sensor.health.attempts_evicted);
  out->set_segments_unsampled(sensor.health.segments_unsampled);
  out->set_spool_problem(sensor.health.spool_problem);
  if (sensor.clock_offset) {
    out->set_clock_offset_nanos(sensor.clock_offset->count());
  }
  out->set_records_lost(sensor.undelivered.lost);
  out->set_gaps_of_unknown_size(sensor.undelivered.unknown);
  out->set_records_refused(sensor.undelivered.refused);
  out->set_probing(sensor.health.probing);
  out->set_probing_problem(sensor.health.probing_problem);
  out->set_problem(sensor.problem);
  for (const auto& interface : sensor.health.interfaces) {
    v1::Interface* item = out->add_interfaces();
    item->set_name(interface.name);
    item->set_state(interface.state);
    item->set_packets_received(interface.packets_received);
    item->set_packets_dropped(interface.packets_dropped);
  }
  for (const auto& gateway : sensor.health.gateways) {
    v1::Gateway* item = out->add_gateways();
    item->set_address(gateway.address.ToString());
    item->set_reach(Word(gateway.reach));
  }
  for (const auto& prefix : sensor.local_networks) {
    out->add_local_networks(prefix.ToString());
  }
  for (const auto& address : sensor.addresses) {
    out->add_addresses(address.ToString());
  }
}

void ToProto(const TargetView& view, v1::Target* out) {
  out->set_address(view.target.address.ToString());
  out->set_first_seen_at(ToProto(view.target.first_seen));
  out->set_last_seen_at(ToProto(view.target.last_seen));
  out->set_checked_at(ToProto(view.target.checked_at));
  out->set_verdict(Text(ToString(view.target.verdict)));
  out->set_earned_by(Text(ToString(view.target.earned_by)));
  for (const auto& cell : view.cells) {
    (*out->mutable_reach())[cell.sensor] = Text(ToString(cell.state));
    if (cell.rtt > Duration{}) {
      (*out->mutable_rtt_ms())[cell.sensor] = ToMillis(cell.rtt);
    }
  }
}

void ToProto(const IncidentRecord& incident, v1::Incident* out) {
  out->set_id(IncidentId(incident.number));
  out->set_state(Text(ToString(incident.state)));
  out->set_verdict(Text(ToString(incident.verdict)));
  out->set_severity(incident.severity);
  out->set_started_at(ToProto(incident.started_at));
  out->set_opened_at(ToProto(incident.opened_at));
  out->set_updated_at(ToProto(incident.updated_at));
  out->set_closed_at(ToProto(incident.closed_at));
  out->set_family(incident.family);
  out->set_direction(incident.direction);
  out->set_split(incident.split);
  for (const auto& sensor : incident.failing_sensors) {
    out->add_failing_sensors(sensor);
  }
  for (const auto& sensor : incident.reaching_sensors) {
    out->add_reaching_sensors(sensor);
  }
  for (const auto& target : incident.targets) {
    const std::string address = target.address.ToString();
    out->add_targets(address);
    if (target.failing) {
      out->add_targets_still_failing(address);
    }
  }
  out->set_target_count(incident.targets.size());
  if (incident.suspect) {
    v1::Suspect* suspect = out->mutable_suspect();
    suspect->set_from(incident.suspect->from);
    suspect->set_to(incident.suspect->to);
    suspect->set_confidence(incident.suspect->confidence);
    for (const auto& other : incident.suspect->ambiguity) {
      suspect->add_ambiguity(other);
    }
  }
  for (const auto& [key, value] : incident.evidence) {
    (*out->mutable_evidence())[key] = value;
  }
  out->set_summary(incident.summary);
}

void ToProto(const IncidentEventView& event, v1::IncidentEvent* out) {
  out->set_event(event.event);
  out->set_at(ToProto(event.change.at));
  out->set_change(event.change.change);
  ToProto(event.change.incident, out->mutable_incident());
}

void ToProto(const SynTopRow& row, v1::SynTopRow* out) {
  out->set_key(row.key);
  out->set_attempts(row.attempts);
  out->set_pending(row.pending);
  out->set_completed(row.completed);
  out->set_half_open(row.half_open);
  out->set_unanswered(row.unanswered);
  out->set_refused(row.refused);
  out->set_unknown(row.unknown);
  out->set_sensors(row.sensors);
  out->set_last_seen_at(ToProto(row.last_seen));
}

void ToProto(const ServerReportView& view, v1::SynServer* out) {
  const ServerReport& report = view.report;
  out->set_server(report.server.ToString());
  out->set_sensor(view.sensor);
  out->set_last_seen_at(ToProto(view.window_end));
  out->set_window_start(ToProto(report.window_start));
  out->set_window_nanos(static_cast<uint64_t>(report.window.count()));
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
  set(report.half_open_repeated, &v1::SynServer::set_half_open_repeated);
  set(report.half_open_known, &v1::SynServer::set_half_open_known);
  set(report.all_or_nothing, &v1::SynServer::set_all_or_nothing);
  out->set_syn_rate(report.syn_rate);
  out->set_usual_rate(report.usual_rate);
  out->set_excess(report.excess);
  set(report.listen_overflows, &v1::SynServer::set_listen_overflows);
  set(report.syn_cookies_sent, &v1::SynServer::set_syn_cookies_sent);
}

void ToProto(const PathView& view, v1::TracedPath* out) {
  const PathReport& report = view.report;
  out->set_sensor(view.sensor);
  out->set_target(report.target.ToString());
  out->set_traced_at(ToProto(view.at));
  out->set_remembered(view.remembered);
  if (!view.remembered) {
    out->set_method(Text(ToString(report.attempt.method)));
    out->set_port(report.attempt.port);
    out->set_flow(report.attempt.flow);
    out->set_end(Text(ToString(report.end)));
    out->set_reporter(report.reporter ? report.reporter->ToString() : std::string());
    out->set_changed(report.changed);
  }
  for (const auto& routers : report.hops) {
    v1::Hop* hop = out->add_hops();
    for (const IpAddress& router : routers) {
      hop->add_routers(router.ToString());
    }
  }
}

}  // namespace parallax::collector
