#include "collector/cli/json.h"

#include "common/time.h"
#include "parallax/v1/operator.pb.h"

namespace parallax::cli {
namespace {

Json Time(uint64_t nanos) {
  return nanos == 0 ? Json(nullptr)
                    : Json(FormatRfc3339(FromUnixNanos(static_cast<int64_t>(nanos))));
}

Json OrNull(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

template <typename T>
Json OrNull(bool there, T value) {
  return there ? Json(value) : Json(nullptr);
}

template <typename Map>
Json Sorted(const Map& map) {  // protobuf maps come in any order
  nlohmann::json sorted = nlohmann::json::object();
  for (const auto& [key, value] : map) {
    sorted[key] = value;
  }
  return sorted;
}

template <typename Texts>
Json List(const Texts& texts) {
  Json array = Json::array();
  for (const auto& text : texts) {
    array.push_back(text);
  }
  return array;
}

}  // namespace

Json ToJson(const v1::Status& status) {
  return {{"version", status.version()},
          {"started_at", Time(status.started_at())},
          {"answered_at", Time(status.answered_at())},
          {"sensors", Sorted(status.sensors())},
          {"targets", Sorted(status.targets())},
          {"incidents", Sorted(status.incidents())},
          {"attempts_total", status.attempts_total()},
          {"reports_total", status.reports_total()},
          {"attempts_last_minute", status.attempts_last_minute()},
          {"half_open_last_minute", status.half_open_last_minute()},
          {"database_bytes", status.database_bytes()}};
}

Json ToJson(const v1::Sensor& sensor) {
  Json interfaces = Json::array();
  for (const auto& interface : sensor.interfaces()) {
    interfaces.push_back({{"name", interface.name()},
                          {"state", interface.state()},
                          {"packets_received", interface.packets_received()},
                          {"packets_dropped", interface.packets_dropped()}});
  }
  Json gateways = Json::array();
  for (const auto& gateway : sensor.gateways()) {
    gateways.push_back({{"address", gateway.address()}, {"reach", gateway.reach()}});
  }
  return {
      {"id", sensor.id()},
      {"name", sensor.name()},
      {"group", sensor.group()},
      {"state", sensor.state()},
      {"version", sensor.version()},
      {"address", OrNull(sensor.address())},
      {"first_seen_at", Time(sensor.first_seen_at())},
      {"last_seen_at", Time(sensor.last_seen_at())},
      {"syns_seen", sensor.syns_seen()},
      {"packets_dropped", sensor.packets_dropped()},
      {"spool_bytes", sensor.spool_bytes()},
      {"spool_records", sensor.spool_records()},
      {"spool_problem", OrNull(sensor.spool_problem())},
      {"records_dropped", sensor.records_dropped()},
      {"records_lost", sensor.records_lost()},
      {"gaps_of_unknown_size", sensor.gaps_of_unknown_size()},
      {"records_refused", sensor.records_refused()},
      {"clock_offset_seconds", sensor.has_clock_offset_nanos()
                                   ? Json(static_cast<double>(sensor.clock_offset_nanos()) / 1e9)
                                   : Json(nullptr)},
      {"attempts_evicted", sensor.attempts_evicted()},
      {"segments_unsampled", sensor.segments_unsampled()},
      {"probes_sent", sensor.probes_sent()},
      {"probes_refused", sensor.probes_refused()},
      {"probing", sensor.probing()},
      {"probing_problem", OrNull(sensor.probing_problem())},
      {"problem", OrNull(sensor.problem())},
      {"interfaces", std::move(interfaces)},
      {"gateways", std::move(gateways)},
      {"addresses", List(sensor.addresses())},
      {"local_networks", List(sensor.local_networks())},
      {"trust", OrNull(sensor.trust())},
      {"key_fingerprint", OrNull(sensor.key_fingerprint())},
      {"certificate_issued_at", Time(sensor.certificate_issued_at())},
      {"certificate_expires_at", Time(sensor.certificate_expires_at())}};
}

Json ToJson(const v1::SensorTrust& trust) {
  return {{"name", trust.name()},
          {"group", trust.group()},
          {"trust", trust.trust()},
          {"key_fingerprint", OrNull(trust.key_fingerprint())}};
}

Json ToJson(const v1::Token& token) {
  return {{"id", token.id()},
          {"group", token.group()},
          {"state", token.state()},
          {"network", OrNull(token.network())},
          {"replaces", OrNull(token.replaces())},
          {"uses", token.uses()},
          {"uses_left", token.uses_left()},
          {"created_at", Time(token.created_at())},
          {"expires_at", Time(token.expires_at())},
          {"revoked_at", Time(token.revoked_at())},
          {"created_by", token.created_by()}};
}

Json ToJson(const v1::Target& target) {
  return {{"address", target.address()},
          {"first_seen_at", Time(target.first_seen_at())},
          {"last_seen_at", Time(target.last_seen_at())},
          {"checked_at", Time(target.checked_at())},
          {"verdict", target.verdict()},
          {"earned_by", target.earned_by()},
          {"reach", Sorted(target.reach())},
          {"rtt_ms", Sorted(target.rtt_ms())}};
}

Json ToJson(const v1::Incident& incident) {
  Json suspect = nullptr;
  if (incident.has_suspect()) {
    suspect = {{"from", incident.suspect().from()},
               {"to", incident.suspect().to()},
               {"confidence", incident.suspect().confidence()},
               {"ambiguity", List(incident.suspect().ambiguity())}};
  }
  return {{"id", incident.id()},
          {"state", incident.state()},
          {"verdict", incident.verdict()},
          {"severity", incident.severity()},
          {"started_at", Time(incident.started_at())},
          {"opened_at", Time(incident.opened_at())},
          {"updated_at", Time(incident.updated_at())},
          {"closed_at", Time(incident.closed_at())},
          {"family", incident.family()},
          {"direction", incident.direction()},
          {"split", incident.split()},
          {"summary", incident.summary()},
          {"failing_sensors", List(incident.failing_sensors())},
          {"reaching_sensors", List(incident.reaching_sensors())},
          {"targets", List(incident.targets())},
          {"target_count", incident.target_count()},
          {"targets_still_failing", List(incident.targets_still_failing())},
          {"suspect", std::move(suspect)},
          {"evidence", Sorted(incident.evidence())}};
}

Json ToJson(const v1::IncidentEvent& event) {
  return {{"event", event.event()},
          {"at", Time(event.at())},
          {"change", event.change()},
          {"incident", ToJson(event.incident())}};
}

Json ToJson(const v1::SynTopRow& row) {
  return {{"key", row.key()},
          {"attempts", row.attempts()},
          {"completed", row.completed()},
          {"half_open", row.half_open()},
          {"unanswered", row.unanswered()},
          {"refused", row.refused()},
          {"unknown", row.unknown()},
          {"pending", row.pending()},
          {"sensors", row.sensors()},
          {"last_seen_at", Time(row.last_seen_at())}};
}

Json ToJson(const v1::SynServer& server) {
  return {
      {"server", server.server()},
      {"sensor", server.sensor()},
      {"last_seen_at", Time(server.last_seen_at())},
      {"window_start", Time(server.window_start())},
      {"window_seconds", ToSeconds(Duration(server.window_nanos()))},
      {"aggregate", server.aggregate()},
      {"sampling", server.sampling()},
      {"syns", server.syns()},
      {"syn_acks", server.syn_acks()},
      {"sources", server.sources()},
      {"port", server.port()},
      {"port_syns", server.port_syns()},
      {"port_syn_acks", server.port_syn_acks()},
      {"completed", server.completed()},
      {"half_open", server.half_open()},
      {"unanswered", server.unanswered()},
      {"refused", server.refused()},
      {"unknown", server.unknown()},
      {"half_open_repeated", OrNull(server.has_half_open_repeated(), server.half_open_repeated())},
      {"half_open_known", OrNull(server.has_half_open_known(), server.half_open_known())},
      {"all_or_nothing", OrNull(server.has_all_or_nothing(), server.all_or_nothing())},
      {"syn_rate", server.syn_rate()},
      {"usual_rate", server.usual_rate()},
      {"excess", server.excess()},
      {"listen_overflows", OrNull(server.has_listen_overflows(), server.listen_overflows())},
      {"syn_cookies_sent", OrNull(server.has_syn_cookies_sent(), server.syn_cookies_sent())}};
}

Json ToJson(const v1::TracedPath& path) {
  Json hops = Json::array();
  int ttl = 0;
  for (const auto& hop : path.hops()) {
    hops.push_back({{"ttl", ++ttl}, {"routers", List(hop.routers())}});
  }
  const bool traced = !path.remembered();
  return {{"sensor", path.sensor()},
          {"target", path.target()},
          {"traced_at", Time(path.traced_at())},
          {"remembered", path.remembered()},
          {"method", OrNull(traced, path.method())},
          {"port", OrNull(traced && path.port() != 0, path.port())},
          {"flow", OrNull(traced, path.flow())},
          {"end", OrNull(traced, path.end())},
          {"reporter", OrNull(!path.reporter().empty(), path.reporter())},
          {"changed", OrNull(traced, path.changed())},
          {"hops", std::move(hops)}};
}

Json ToJson(const v1::ProbeAnswer& answer) {
  Json rtt = nullptr;
  if (answer.received() > 0) {
    rtt = {
        {"min", answer.rtt_min_ms()}, {"avg", answer.rtt_avg_ms()}, {"max", answer.rtt_max_ms()}};
  }
  Json error = nullptr;
  if (!answer.error().empty() || !answer.reporter().empty()) {
    error = {{"detail", OrNull(answer.error())}, {"router", OrNull(answer.reporter())}};
  }
  return {{"sensor", answer.sensor()},
          {"group", OrNull(answer.group())},
          {"target", answer.target()},
          {"method", answer.method()},
          {"state", answer.state()},
          {"sent", answer.sent()},
          {"received", answer.received()},
          {"rtt_ms", std::move(rtt)},
          {"error", std::move(error)},
          {"path", answer.has_path() ? ToJson(answer.path()) : Json(nullptr)}};
}

Json WithKind(const char* kind, const Json& item) {
  Json out = {{"api_version", "parallax/v1"}, {"kind", kind}};
  for (const auto& [key, value] : item.items()) {
    out[key] = value;
  }
  return out;
}

std::string Dump(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace parallax::cli
