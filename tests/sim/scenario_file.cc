#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "common/config.h"
#include "sensor/probe/wire/packet.h"
#include "tests/sim/scenario.h"

namespace parallax::sim {
namespace {

using namespace std::chrono_literals;

constexpr Duration kLongest = std::chrono::hours(24 * 60);
constexpr int64_t kMostHosts = 200'000;

template <typename T>
using Words = std::vector<std::pair<std::string_view, T>>;

const Words<HashPolicy> kHashes = {{"flow", HashPolicy::kFlow},
                                   {"destination", HashPolicy::kDestination},
                                   {"source_destination", HashPolicy::kSourceDestination},
                                   {"packet", HashPolicy::kPacket}};
const Words<FaultKind> kFaults = {{"route", FaultKind::kRoute},
                                  {"link_down", FaultKind::kLinkDown},
                                  {"loss", FaultKind::kLoss},
                                  {"filter", FaultKind::kFilter},
                                  {"node_down", FaultKind::kNodeDown},
                                  {"remotes_off", FaultKind::kRemotes},
                                  {"sensor_stopped", FaultKind::kSensor},
                                  {"collector_killed", FaultKind::kCollector},
                                  {"syn_flood", FaultKind::kFlood}};

class Reader {
 public:
  explicit Reader(Scenario& scenario) : scenario_(scenario) {}

  // All of a file; a second one adds to what the first has said.
  void Read(ConfigFile& file) {
    file_ = &file;
    scenario_.title = file.String("title", scenario_.title);
    scenario_.length = file.Time("length", scenario_.length, 1s, kLongest);
    for (size_t i = 0; i < file.Sections("router"); ++i) {
      ReadRouter(fmt::format("router.{}.", i));
    }
    for (size_t i = 0; i < file.Sections("link"); ++i) {
      ReadLink(fmt::format("link.{}.", i));
    }
    for (size_t i = 0; i < file.Sections("sensor"); ++i) {
      ReadSensor(fmt::format("sensor.{}.", i));
    }
    if (scenario_.collector_at.empty() || file.Has("collector")) {
      scenario_.collector_at = Router("collector.at");
      scenario_.collector_addresses = Addresses("collector.addresses");
    }
    for (size_t i = 0; i < file.Sections("remotes"); ++i) {
      ReadRemotes(fmt::format("remotes.{}.", i));
    }
    for (size_t i = 0; i < file.Sections("fault"); ++i) {
      ReadFault(fmt::format("fault.{}.", i));
    }
    for (size_t i = 0; i < file.Sections("expect"); ++i) {
      ReadExpectation(fmt::format("expect.{}.", i));
    }
  }

 private:
  template <typename T>
  T Word(const std::string& key, const Words<T>& words) {
    const std::string text = file_->String(key, words.front().first);
    std::string all;
    for (const auto& [word, value] : words) {
      if (word == text) {
        return value;
      }
      all += fmt::format("{}\"{}\"", all.empty() ? "" : ", ", word);
    }
    file_->Complain(key, fmt::format("\"{}\" is none of {}", text, all));
    return words.front().second;
  }
  std::string Known(const std::string& key, const std::set<std::string>& names,
                    std::string_view what) {
    std::string name = file_->String(key, "");
    if (!names.contains(name)) {
      file_->Complain(key, name.empty() ? fmt::format("must name a {}", what)
                                        : fmt::format("there is no {} \"{}\"", what, name));
    }
    return name;
  }
  std::string Router(const std::string& key) { return Known(key, routers_, "router"); }
  std::vector<std::string> Routers(const std::string& key, bool one_at_least) {
    std::vector<std::string> names = file_->Strings(key, {});
    for (const std::string& name : names) {
      if (!routers_.contains(name)) {
        file_->Complain(key, fmt::format("there is no router \"{}\"", name));
      }
    }
    if (one_at_least && names.empty()) {
      file_->Complain(key, "must name a router");
    }
    return names;
  }
  std::vector<IpAddress> Addresses(const std::string& key) {
    std::vector<IpAddress> result;
    file_->Elements(
        key, "an address in quotes", [&result](const std::string& text) -> Result<void> {
          const auto address = IpAddress::Parse(text);
          if (!address) {
            return Fail(ErrorCode::kBadConfig, fmt::format("\"{}\" is no address", text));
          }
          result.push_back(*address);
          return {};
        });
    if (result.empty()) {
      file_->Complain(key, "must name an address at least");
    }
    return result;
  }
  // A new name.
  std::string Named(const std::string& key, std::set<std::string>& names) {
    std::string name = file_->String(key, "");
    if (name.empty()) {
      file_->Complain(key, "must be given");
    } else if (!names.insert(name).second) {
      file_->Complain(key, fmt::format("\"{}\" is there twice", name));
    }
    return name;
  }
  double Share(const std::string& key, double fallback) {
    return file_->Number(key, fallback, 0, 1);
  }
  Loss ReadLoss(const std::string& at) {
    Loss loss;
    loss.random = Share(at + "random", 0);
    loss.burst_every = file_->Time(at + "burst_every", 0s, 0s, kLongest);
    loss.burst_length = file_->Time(at + "burst_length", 0s, 0s, kLongest);
    loss.in_burst = Share(at + "in_burst", 1);
    return loss;
  }

  void ReadRouter(const std::string& at) {
    NodeOptions router;
    router.name = Named(at + "name", routers_);
    router.forwards = file_->Boolean(at + "forwards", true);
    router.hash = Word(at + "hash", kHashes);
    router.answers_ttl = file_->Boolean(at + "answers", true);
    if (file_->Boolean(at + "unlimited_icmp", false)) {
      router.icmp_limit.reset();
    } else {
      router.icmp_limit->per_second = file_->Number(at + "icmp_per_second", 1, 0, 1e6);
      router.icmp_limit->burst = file_->Number(at + "icmp_burst", 6, 0, 1e6);
    }
    const PrefixSet owned = file_->Prefixes(at + "owns");
    for (const Prefix& prefix : owned.prefixes()) {
      scenario_.owned.emplace_back(router.name, prefix);
    }
    scenario_.routers.push_back(std::move(router));
  }

  void ReadLink(const std::string& at) {
    ScenarioLink link;
    const std::vector<std::string> ends = Routers(at + "between", true);
    if (ends.size() != 2 || ends[0] == ends[1]) {
      file_->Complain(at + "between", "must name two routers");
      return;
    }
    link.a = ends[0];
    link.b = ends[1];
    link.options.delay = file_->Time(at + "delay", link.options.delay, 0s, 10s);
    link.options.cost = static_cast<unsigned>(file_->Integer(at + "cost", 1, 1, 65535));
    link.options.mtu = static_cast<uint16_t>(file_->Integer(at + "mtu", 1500, 68, 65535));
    link.loss = ReadLoss(at + "loss.");
    links_.insert({link.a, link.b});
    links_.insert({link.b, link.a});
    scenario_.links.push_back(std::move(link));
  }

  void ReadSensor(const std::string& at) {
    ScenarioSensor sensor;
    sensor.name = Named(at + "name", sensors_);
    sensor.group = file_->String(at + "group", "");
    sensor.at = Router(at + "at");
    sensor.addresses = Addresses(at + "addresses");
    sensor.clock_ahead = file_->Time(at + "clock_ahead", 0s, 0s, kLongest) -
                         file_->Time(at + "clock_behind", 0s, 0s, kLongest);
    if (routers_.contains(sensor.name)) {
      file_->Complain(at + "name", "is a router's name, too");
    }
    scenario_.sensors.push_back(std::move(sensor));
  }

  void ReadRemotes(const std::string& at) {
    ScenarioRemotes remotes;
    remotes.name = Named(at + "name", remotes_);
    remotes.at = Routers(at + "at", true);
    remotes.prefixes = file_->Prefixes(at + "prefixes").prefixes();
    if (remotes.prefixes.empty()) {
      file_->Complain(at + "prefixes", "must name a prefix at least");
    }
    remotes.announced = file_->Boolean(at + "announced", remotes.at.size() > 1);
    remotes.count = static_cast<size_t>(file_->Integer(at + "count", 1, 1, kMostHosts));
    remotes.icmp = Share(at + "icmp", 1);
    remotes.tcp = Share(at + "tcp", 1);
    remotes.udp = Share(at + "udp", 1);
    remotes.attempt_every = file_->Time(at + "attempt_every", 30s, 0s, kLongest);
    scenario_.remotes.push_back(std::move(remotes));
  }

  void ReadFault(const std::string& at) {
    ScenarioFault fault;
    fault.kind = Word(at + "kind", kFaults);
    fault.at = file_->Time(at + "at", 0s, 0s, kLongest);
    if (file_->Has(at + "until")) {
      fault.until = file_->Time(at + "until", 0s, 0s, kLongest);
      if (*fault.until <= fault.at) {
        file_->Complain(at + "until", "must be later than `at`");
      }
    }
    switch (fault.kind) {
      case FaultKind::kRoute:
        fault.node = Router(at + "router");
        fault.prefixes = file_->Prefixes(at + "prefixes").prefixes();
        fault.via = Routers(at + "via", false);
        for (const std::string& hop : fault.via) {
          CheckLink(at + "via", fault.node, hop);
        }
        fault.beside = file_->Boolean(at + "beside", false);
        if (file_->Has(at + "hash")) {
          fault.hash = Word(at + "hash", kHashes);
        }
        if (fault.prefixes.empty()) {
          file_->Complain(at + "prefixes", "must name a prefix at least");
        }
        break;
      case FaultKind::kLinkDown:
        ReadEnds(at, fault);
        fault.converge_after = file_->Time(at + "converge_after", 0s, 0s, kLongest);
        break;
      case FaultKind::kLoss:
        ReadEnds(at, fault);
        fault.both_ways = file_->Boolean(at + "both_ways", true);
        fault.loss = ReadLoss(at);
        break;
      case FaultKind::kFilter:
        fault.node = Router(at + "router");
        ReadFilter(at, fault.filter);
        break;
      case FaultKind::kNodeDown:
        fault.node = Router(at + "router");
        fault.converge_after = file_->Time(at + "converge_after", 0s, 0s, kLongest);
        break;
      case FaultKind::kRemotes:
        fault.node = Known(at + "remotes", remotes_, "group of remotes");
        fault.share = Share(at + "share", 1);
        break;
      case FaultKind::kSensor:
        fault.node = Known(at + "sensor", sensors_, "sensor");
        fault.goodbye = file_->Boolean(at + "goodbye", false);
        break;
      case FaultKind::kCollector:
        break;
      case FaultKind::kFlood:
        fault.node = Known(at + "sensor", sensors_, "sensor");
        fault.from = Router(at + "from");
        fault.per_second = file_->Number(at + "per_second", 1000, 1, 1e6);
        break;
    }
    scenario_.faults.push_back(std::move(fault));
  }

  void CheckLink(const std::string& key, const std::string& a, const std::string& b) {
    if (routers_.contains(a) && routers_.contains(b) && !links_.contains({a, b})) {
      file_->Complain(key, fmt::format("there is no link between \"{}\" and \"{}\"", a, b));
    }
  }
  void ReadEnds(const std::string& at, ScenarioFault& fault) {
    const std::set<std::string> ends = [this] {
      std::set<std::string> all = routers_;
      all.insert(sensors_.begin(), sensors_.end());
      return all;
    }();
    fault.from = Known(at + "from", ends, "router or sensor");
    fault.to = Known(at + "to", ends, "router or sensor");
    CheckLink(at + "to", fault.from, fault.to);
  }
  void ReadFilter(const std::string& at, Filter& filter) {
    const std::string protocol = file_->String(at + "protocol", "");
    if (protocol == "icmp") {
      filter.protocol = sensor::kProtocolIcmp;
    } else if (protocol == "icmpv6") {
      filter.protocol = sensor::kProtocolIcmpv6;
    } else if (protocol == "tcp") {
      filter.protocol = sensor::kProtocolTcp;
    } else if (protocol == "udp") {
      filter.protocol = sensor::kProtocolUdp;
    } else if (!protocol.empty()) {
      file_->Complain(at + "protocol", "must be icmp, icmpv6, tcp or udp");
    }
    if (file_->Has(at + "port")) {
      filter.destination_port = static_cast<uint16_t>(file_->Integer(at + "port", 0, 0, 65535));
    }
    const auto prefix = [&](const std::string& key, std::optional<Prefix>& into) {
      if (!file_->Has(key)) {
        return;
      }
      if (const auto parsed = Prefix::Parse(file_->String(key, ""))) {
        into = *parsed;
      } else {
        file_->Complain(key, parsed.error().message);
      }
    };
    prefix(at + "from", filter.from);
    prefix(at + "to", filter.to);
    filter.reject = file_->Boolean(at + "reject", false);
  }

  void ReadExpectation(const std::string& at) {
    ScenarioExpectation expected;
    expected.verdict = file_->String(at + "verdict", "route_anomaly");
    expected.after = file_->Time(at + "after", 0s, 0s, kLongest);
    expected.by = file_->Time(at + "by", scenario_.length, 0s, kLongest);
    if (file_->Has(at + "closed_by")) {
      expected.closed_by = file_->Time(at + "closed_by", 0s, 0s, kLongest);
    }
    expected.failing = file_->Strings(at + "failing", {});
    for (const std::string& name : expected.failing) {
      if (!sensors_.contains(name)) {
        file_->Complain(at + "failing", fmt::format("there is no sensor \"{}\"", name));
      }
    }
    expected.direction = file_->String(at + "direction", "");
    expected.split = file_->String(at + "split", "");
    expected.family = file_->String(at + "family", "");
    if (file_->Has(at + "suspect.from")) {
      expected.has_suspect = true;
      expected.suspect_from = Router(at + "suspect.from");
      expected.suspect_to = file_->Has(at + "suspect.to") ? Router(at + "suspect.to") : "";
    }
    expected.optional = file_->Boolean(at + "optional", false);
    scenario_.expected.push_back(std::move(expected));
  }

  ConfigFile* file_ = nullptr;
  Scenario& scenario_;
  std::set<std::string> routers_;
  std::set<std::string> sensors_;
  std::set<std::string> remotes_;
  std::set<std::pair<std::string, std::string>> links_;
};

}  // namespace

Result<Scenario> LoadScenario(const std::string& path) {
  auto file = ConfigFile::Load(path);
  if (!file) {
    return tl::make_unexpected(std::move(file.error()));
  }
  Scenario scenario;
  scenario.file = path;
  Reader reader(scenario);
  if (const std::string base = file->Path("base", ""); !base.empty()) {
    auto below = ConfigFile::Load(base);
    if (!below) {
      return tl::make_unexpected(std::move(below.error()));
    }
    reader.Read(*below);
    if (auto ok = below->Finish(); !ok) {
      return tl::make_unexpected(std::move(ok.error()));
    }
  }
  reader.Read(*file);
  if (auto ok = file->Finish(); !ok) {
    return tl::make_unexpected(std::move(ok.error()));
  }
  return scenario;
}

}  // namespace parallax::sim
