#include "sensor/config.h"

#include <algorithm>
#include <utility>

#include "common/config.h"

namespace parallax::sensor {
namespace {

constexpr size_t kMostAddresses = 8;
constexpr size_t kMostInterfaces = 64;
constexpr size_t kLongestInterface = 15;  // IFNAMSIZ, less its terminator

void ReadCollector(ConfigFile& file, SensorConfig::Collector& collector) {
  constexpr std::string_view kAddresses = "collector.addresses";
  collector.addresses = file.HostsAndPorts(kAddresses);
  if (collector.addresses.size() > kMostAddresses) {
    file.Complain(kAddresses, "must not name more than 8 collectors");
  }
  collector.ca_file = file.Path("collector.ca_file", collector.ca_file);
  collector.certificate_file = file.Path("collector.certificate_file", collector.certificate_file);
  collector.key_file = file.Path("collector.key_file", collector.key_file);
}

void ReadCapture(ConfigFile& file, SensorConfig::Capture& capture) {
  constexpr std::string_view kInterfaces = "capture.interfaces";
  capture.interfaces = file.Strings(kInterfaces, {});
  const auto& names = capture.interfaces;
  for (auto name = names.begin(); name != names.end(); ++name) {
    if (name->empty() || name->size() > kLongestInterface ||
        name->find_first_of(" /\t\n") != name->npos || name->find('\0') != name->npos) {
      file.Complain(kInterfaces, "\"" + *name + "\" cannot be the name of an interface");
    } else if (std::find(names.begin(), name, *name) != name) {
      file.Complain(kInterfaces, "\"" + *name + "\" is named twice");
    }
  }
  if (names.size() > kMostInterfaces) {
    file.Complain(kInterfaces, "must not name more than 64 interfaces");
  }
  capture.local_networks = file.Prefixes("capture.local_networks");
  capture.promiscuous = file.Boolean("capture.promiscuous", capture.promiscuous);
  capture.ring_mib =
      static_cast<unsigned>(file.Integer("capture.ring_mib", capture.ring_mib, 1, 1024));
}

void ReadObserve(ConfigFile& file, SensorConfig::Observe& observe) {
  observe.attempts = static_cast<size_t>(file.Integer(
      "observe.attempts", static_cast<int64_t>(observe.attempts), 1024, int64_t{1} << 24));
  observe.attempts_per_second = static_cast<uint32_t>(
      file.Integer("observe.attempts_per_second", observe.attempts_per_second, 1, 1'000'000));
  observe.attempts_per_second_total = static_cast<uint32_t>(file.Integer(
      "observe.attempts_per_second_total", observe.attempts_per_second_total, 1, 1'000'000));
}

void ReadSpool(ConfigFile& file, SensorConfig::Spool& spool) {
  spool.dir = file.Path("spool.dir", spool.dir);
  spool.max_mib = static_cast<unsigned>(file.Integer("spool.max_mib", spool.max_mib, 1, 65'536));
  spool.memory_mib =
      static_cast<unsigned>(file.Integer("spool.memory_mib", spool.memory_mib, 1, 1024));
  if (spool.memory_mib > spool.max_mib) {
    file.Complain("spool.memory_mib", "must not be more than spool.max_mib");
  }
}

}  // namespace

Result<SensorConfig> LoadSensorConfig(const std::string& path) {
  auto file = ConfigFile::Load(path);
  if (!file) {
    return tl::make_unexpected(std::move(file.error()));
  }
  SensorConfig config;
  ReadCollector(*file, config.collector);
  ReadCapture(*file, config.capture);
  ReadObserve(*file, config.observe);
  config.probe.policy_file = file->Path("probe.policy_file", config.probe.policy_file);
  ReadSpool(*file, config.spool);
  config.log.level = file->Level("log.level", config.log.level);
  if (auto ok = file->Finish(); !ok) {
    return tl::make_unexpected(std::move(ok.error()));
  }
  return config;
}

}  // namespace parallax::sensor
