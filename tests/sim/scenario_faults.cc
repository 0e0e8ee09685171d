// The faults of a scenario's file, and what is expected to be said of them.
#include "sensor/probe/wire/packet.h"
#include "tests/sim/scenario_reader.h"

namespace parallax::sim {
namespace {

using namespace std::chrono_literals;

// DESIGN section 6, without those that are no incident.
const std::vector<std::string_view> kVerdicts = {
    "route_anomaly", "target_down", "border_outage", "sensor_isolated", "sensor_degraded",
    "policy",        "syn_flood",   "mixed",         "lossy_path"};

}  // namespace

void ScenarioReader::ReadTimes(const std::string& at, ScenarioFault& fault) {
  fault.at = Time(at + "at");
  if (fault.at > scenario_.length) {
    file_->Complain(at + "at", "is later than the end of the scenario (`length`)");
  }
  if (file_->Has(at + "until")) {
    fault.until = Time(at + "until");
    if (*fault.until <= fault.at) {
      file_->Complain(at + "until", "must be later than `at`");
    }
  }
  if (file_->Has(at + "every")) {
    fault.every = Time(at + "every");
    fault.times = static_cast<size_t>(file_->Integer(at + "times", 2, 1, 100'000));
    if (!fault.until || fault.at + fault.every < *fault.until) {
      file_->Complain(at + "every", "needs `until`, and must not be shorter than from `at` to it");
    }
  }
}

void ScenarioReader::ReadFault(const std::string& at) {
  ScenarioFault fault;
  fault.kind = Word<FaultKind>(at + "kind", {{"route", FaultKind::kRoute},
                                             {"link_down", FaultKind::kLinkDown},
                                             {"loss", FaultKind::kLoss},
                                             {"filter", FaultKind::kFilter},
                                             {"node_down", FaultKind::kNodeDown},
                                             {"remotes_off", FaultKind::kRemotes},
                                             {"remotes_silent", FaultKind::kSilent},
                                             {"sensor_stopped", FaultKind::kSensor},
                                             {"collector_killed", FaultKind::kCollector},
                                             {"syn_flood", FaultKind::kFlood},
                                             {"mtu", FaultKind::kMtu},
                                             {"icmp_limit", FaultKind::kIcmpLimit},
                                             {"clock", FaultKind::kClock},
                                             {"liar", FaultKind::kLiar}});
  ReadTimes(at, fault);
  ReadKind(at, fault);
  scenario_.faults.push_back(std::move(fault));
}

void ScenarioReader::ReadKind(const std::string& at, ScenarioFault& fault) {
  switch (fault.kind) {
    case FaultKind::kRoute:
      return ReadRoute(at, fault);
    case FaultKind::kLinkDown:
      ReadEnds(at, fault);
      fault.converge_after = Time(at + "converge_after");
      return;
    case FaultKind::kLoss:
      ReadEnds(at, fault);
      fault.both_ways = file_->Boolean(at + "both_ways", true);
      fault.loss = ReadLoss(at);
      return;
    case FaultKind::kFilter:
      fault.node = Router(at + "router");
      return ReadFilter(at, fault.filter);
    case FaultKind::kNodeDown:
      fault.node = Router(at + "router");
      fault.converge_after = Time(at + "converge_after");
      return;
    case FaultKind::kRemotes:
      fault.over = Time(at + "over");
      [[fallthrough]];
    case FaultKind::kSilent:
      fault.node = Known(at + "remotes", remotes_, "group of remotes");
      fault.share = Share(at + "share", 1);
      return;
    case FaultKind::kSensor:
      fault.node = Known(at + "sensor", sensors_, "sensor");
      fault.goodbye = file_->Boolean(at + "goodbye", false);
      return;
    case FaultKind::kCollector:
      return;
    case FaultKind::kFlood:
      fault.node = Known(at + "sensor", sensors_, "sensor");
      fault.from = Router(at + "from");
      fault.per_second = file_->Number(at + "per_second", 1000, 1, 1e6);
      return;
    case FaultKind::kMtu:
      ReadEnds(at, fault);
      fault.mtu = static_cast<uint16_t>(file_->Integer(at + "bytes", 1400, 68, 65535));
      return;
    case FaultKind::kIcmpLimit:
      fault.node = Router(at + "router");
      fault.per_second = file_->Number(at + "per_second", 1, 0, 1e6);
      fault.burst = file_->Number(at + "burst", 1, 0, 1e6);
      return;
    case FaultKind::kClock:
      fault.node = Known(at + "sensor", sensors_, "sensor");
      fault.ahead = Time(at + "ahead") - Time(at + "behind");
      return;
    case FaultKind::kLiar:
      fault.node = Known(at + "sensor", sensors_, "sensor");
      fault.lie =
          Word<Lie>(at + "says", {{"unanswered", Lie::kUnanswered}, {"answered", Lie::kAnswered}});
      return;
  }
}

void ScenarioReader::ReadRoute(const std::string& at, ScenarioFault& fault) {
  fault.node = Router(at + "router");
  fault.prefixes = SomePrefixes(at + "prefixes");
  fault.via = Routers(at + "via", false);
  for (const std::string& hop : fault.via) {
    CheckLink(at + "via", fault.node, hop);
  }
  fault.beside = file_->Boolean(at + "beside", false);
  if (file_->Has(at + "hash")) {
    fault.hash = Hash(at + "hash");
  }
}

void ScenarioReader::CheckLink(const std::string& key, const std::string& a, const std::string& b) {
  const auto known = [this](const std::string& name) {
    return routers_.contains(name) || sensors_.contains(name);
  };
  if (known(a) && known(b) && !links_.contains({a, b})) {
    file_->Complain(key, fmt::format("there is no link between \"{}\" and \"{}\"", a, b));
  }
}

void ScenarioReader::ReadEnds(const std::string& at, ScenarioFault& fault) {
  Names ends = routers_;
  ends.insert(sensors_.begin(), sensors_.end());
  fault.from = Known(at + "from", ends, "router or sensor");
  fault.to = Known(at + "to", ends, "router or sensor");
  CheckLink(at + "to", fault.from, fault.to);
}

void ScenarioReader::ReadFilter(const std::string& at, Filter& filter) {
  const std::string protocol = OneOf(at + "protocol", {"icmp", "icmpv6", "tcp", "udp"});
  if (!protocol.empty()) {
    filter.protocol = protocol == "icmp"     ? sensor::kProtocolIcmp
                      : protocol == "icmpv6" ? sensor::kProtocolIcmpv6
                      : protocol == "tcp"    ? sensor::kProtocolTcp
                                             : sensor::kProtocolUdp;
  }
  if (file_->Has(at + "port")) {
    filter.destination_port = static_cast<uint16_t>(file_->Integer(at + "port", 0, 0, 65535));
  }
  filter.from = OnePrefix(at + "from");
  filter.to = OnePrefix(at + "to");
  filter.reject = file_->Boolean(at + "reject", false);
  if (file_->Has(at + "above_per_second")) {
    filter.above_per_second = file_->Number(at + "above_per_second", 1, 0, 1e6);
    filter.burst = file_->Number(at + "burst", 1, 0, 1e6);
  }
}

void ScenarioReader::ReadExpectation(const std::string& at) {
  ScenarioExpectation expected;
  expected.verdict = OneOf(at + "verdict", kVerdicts);
  if (expected.verdict.empty()) {
    expected.verdict = kVerdicts.front();
  }
  const Names verdicts(kVerdicts.begin(), kVerdicts.end());
  expected.also_right = AllKnown(at + "also_right", verdicts, "verdict");
  expected.after = Time(at + "after");
  expected.by = Time(at + "by", scenario_.length);
  if (expected.by > scenario_.length) {
    file_->Complain(at + "by", "is later than the end of the scenario (`length`)");
  }
  if (file_->Has(at + "closed_by")) {
    expected.closed_by = Time(at + "closed_by");
  }
  expected.failing = AllKnown(at + "failing", sensors_, "sensor");
  expected.direction = OneOf(at + "direction", {"outbound", "inbound", "unknown"});
  expected.split = OneOf(at + "split", {"per_destination", "per_flow", "per_packet", "unknown"});
  expected.family = OneOf(at + "family", {"ipv4", "ipv6", "both"});
  if (file_->Has(at + "suspect.from")) {
    expected.has_suspect = true;
    expected.suspect_from = Router(at + "suspect.from");
    expected.suspect_to = file_->Has(at + "suspect.to") ? Router(at + "suspect.to") : "";
  }
  expected.innocent = Routers(at + "innocent", false);
  expected.confidence = OneOf(at + "confidence", {"likely", "confirmed"});
  expected.keeps_start = file_->Boolean(at + "keeps_start", false);
  if (file_->Has(at + "notices")) {
    expected.notices = static_cast<size_t>(file_->Integer(at + "notices", 1, 1, 1000));
  }
  expected.optional = file_->Boolean(at + "optional", false);
  scenario_.expected.push_back(std::move(expected));
}

}  // namespace parallax::sim
