// The network of a scenario's file, and the files it builds on.
#include <algorithm>
#include <utility>

#include "common/address_offset.h"
#include "tests/sim/scenario_reader.h"

namespace parallax::sim {
namespace {

using namespace std::chrono_literals;

constexpr Duration kLongest = std::chrono::hours(24 * 60);
constexpr int64_t kMostHosts = 200'000;
constexpr int64_t kMostSensors = 5'000;
constexpr size_t kMostFiles = 8;  // of which each builds on the next

}  // namespace

void ScenarioReader::Read(ConfigFile& file) {
  file_ = &file;
  scenario_.title = file.String("title", scenario_.title);
  scenario_.length = file.Time("length", scenario_.length, 1s, kLongest);
  const auto each = [&](const char* section, void (ScenarioReader::*read)(const std::string&)) {
    for (size_t i = 0; i < file.Sections(section); ++i) {
      (this->*read)(fmt::format("{}.{}.", section, i));
    }
  };
  each("router", &ScenarioReader::ReadRouter);
  each("link", &ScenarioReader::ReadLink);
  each("sensor", &ScenarioReader::ReadSensor);
  if (scenario_.collector_at.empty() || file.Has("collector")) {
    scenario_.collector_at = Router("collector.at");
    scenario_.collector_addresses = Addresses("collector.addresses");
  }
  each("remotes", &ScenarioReader::ReadRemotes);
  each("fault", &ScenarioReader::ReadFault);
  each("expect", &ScenarioReader::ReadExpectation);
}

void ScenarioReader::ReadRouter(const std::string& at) {
  NodeOptions router;
  router.name = Named(at + "name", routers_);
  router.forwards = file_->Boolean(at + "forwards", true);
  router.hash = Hash(at + "hash");
  router.answers_ttl = file_->Boolean(at + "answers", true);
  if (file_->Boolean(at + "unlimited_icmp", false)) {
    router.icmp_limit.reset();
  } else {
    router.icmp_limit->per_second = file_->Number(at + "icmp_per_second", 1, 0, 1e6);
    router.icmp_limit->burst = file_->Number(at + "icmp_burst", 6, 0, 1e6);
  }
  router.nat.inside = file_->Prefixes(at + "nat_for").prefixes();
  if (file_->Has(at + "nat_ports")) {
    file_->Elements(at + "nat_ports", "a port", [&](const std::string& text) -> Result<void> {
      if (text.empty() || text.size() > 5 || text.find_first_not_of("0123456789") != text.npos ||
          std::stoul(text) > 65535) {
        return Fail(ErrorCode::kBadConfig, fmt::format("\"{}\" is no port", text));
      }
      router.nat.ports.push_back(static_cast<uint16_t>(std::stoul(text)));
      return {};
    });
  }
  const PrefixSet owned = file_->Prefixes(at + "owns");
  for (const Prefix& prefix : owned.prefixes()) {
    scenario_.owned.emplace_back(router.name, prefix);
  }
  scenario_.routers.push_back(std::move(router));
}

void ScenarioReader::ReadLink(const std::string& at) {
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

void ScenarioReader::ReadSensor(const std::string& at) {
  ScenarioSensor sensor;
  sensor.name = Named(at + "name", sensors_);
  sensor.group = file_->String(at + "group", "");
  sensor.at = Router(at + "at");
  sensor.addresses = Addresses(at + "addresses");
  sensor.clock_ahead = Time(at + "clock_ahead") - Time(at + "clock_behind");
  if (file_->Has(at + "seen_as")) {
    const std::string text = file_->String(at + "seen_as", "");
    sensor.seen_as = IpAddress::Parse(text);
    if (!sensor.seen_as) {
      file_->Complain(at + "seen_as", fmt::format("\"{}\" is no address", text));
    }
  }
  if (routers_.contains(sensor.name)) {
    file_->Complain(at + "name", "is a router's name, too");
  }
  for (const std::string& end : {sensor.name, sensor.at}) {
    links_.insert({end, end == sensor.name ? sensor.at : sensor.name});
  }
  const auto count = static_cast<size_t>(file_->Integer(at + "count", 1, 1, kMostSensors));
  if (count == 1) {
    scenario_.sensors.push_back(std::move(sensor));
    return;
  }
  sensors_.erase(sensor.name);
  for (size_t i = 0; i < count; ++i) {
    ScenarioSensor one = sensor;
    one.name = fmt::format("{}-{}", sensor.name, i + 1);
    for (IpAddress& address : one.addresses) {
      address = Plus(address, i);
    }
    if (!sensors_.insert(one.name).second) {
      file_->Complain(at + "name", fmt::format("\"{}\" is there twice", one.name));
    }
    links_.insert({one.name, one.at});
    links_.insert({one.at, one.name});
    scenario_.sensors.push_back(std::move(one));
  }
}

void ScenarioReader::ReadRemotes(const std::string& at) {
  ScenarioRemotes remotes;
  remotes.name = Named(at + "name", remotes_);
  remotes.at = Routers(at + "at", true);
  remotes.prefixes = SomePrefixes(at + "prefixes");
  remotes.announced = file_->Boolean(at + "announced", remotes.at.size() > 1);
  remotes.count = static_cast<size_t>(file_->Integer(at + "count", 1, 1, kMostHosts));
  remotes.icmp = Share(at + "icmp", 1);
  remotes.tcp = Share(at + "tcp", 1);
  remotes.udp = Share(at + "udp", 1);
  remotes.silent = Share(at + "silent", 0);
  remotes.share_address = file_->Boolean(at + "share_address", false);
  remotes.attempt_every = Time(at + "attempt_every", 30s);
  scenario_.remotes.push_back(std::move(remotes));
}

namespace {

// The files from the base of all on.
Result<void> ReadAll(const std::string& path, size_t depth, ScenarioReader& reader) {
  auto file = ConfigFile::Load(path);
  if (!file) {
    return tl::make_unexpected(std::move(file.error()));
  }
  if (const std::string base = file->Path("base", ""); !base.empty()) {
    if (depth == kMostFiles) {
      return Fail(ErrorCode::kBadConfig,
                  fmt::format("{}: its base has a base that has a base, and so on: {} at the most",
                              path, kMostFiles));
    }
    if (auto below = ReadAll(base, depth + 1, reader); !below) {
      return below;
    }
  }
  reader.Read(*file);
  return file->Finish();
}

}  // namespace

Result<Scenario> LoadScenario(const std::string& path) {
  Scenario scenario;
  scenario.file = path;
  ScenarioReader reader(scenario);
  if (auto ok = ReadAll(path, 1, reader); !ok) {
    return tl::make_unexpected(std::move(ok.error()));
  }
  return scenario;
}

}  // namespace parallax::sim
