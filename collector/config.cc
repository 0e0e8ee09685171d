#include "collector/config.h"

#include <fmt/format.h>

#include <limits>
#include <utility>

#include "common/config.h"

namespace parallax::collector {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr uint16_t kOperatorPort = 7444;
constexpr size_t kLongestSocketName = 107;  // sun_path of sockaddr_un, less its terminator

// An address of this host to listen on.
HostPort ListenAddress(ConfigFile& file, const char* key, const HostPort& fallback) {
  HostPort listen = file.HostAndPort(key, fallback.ToString());
  if (!IpAddress::Parse(listen.host)) {
    file.Complain(key, fmt::format("must be an address of this host, not a name (\"[::]:{}\" is "
                                   "every address)",
                                   fallback.port));
  }
  return listen;
}

void ReadServer(ConfigFile& file, CollectorConfig::Server& server) {
  server.listen = ListenAddress(file, "server.listen", server.listen);
  server.https_listen =
      ListenAddress(file, "server.https_listen", DefaultHttpsListen(server.listen));
  // "" is how the shipped file shows that it is off.
  if (!file.String("server.operator_listen", "").empty()) {
    server.operator_listen = ListenAddress(file, "server.operator_listen", {"::", kOperatorPort});
  }
  server.operator_socket = file.Path("server.operator_socket", server.operator_socket);
  if (server.operator_socket.size() > kLongestSocketName) {
    file.Complain("server.operator_socket", "\"" + server.operator_socket +
                                                "\" is longer than the 107 bytes that a Unix "
                                                "socket's name may have; choose a shorter path");
  }
}

void ReadTls(ConfigFile& file, CollectorConfig::Tls& tls) {
  tls.ca_file = file.Path("tls.ca_file", tls.ca_file);
  tls.certificate_file = file.Path("tls.certificate_file", tls.certificate_file);
  tls.key_file = file.Path("tls.key_file", tls.key_file);
  tls.sensor_certificate_life = file.Time(
      "tls.sensor_certificate_life", tls.sensor_certificate_life, seconds(10), hours(825 * 24));
  tls.collector_certificate_life =
      file.Time("tls.collector_certificate_life", tls.collector_certificate_life, seconds(10),
                hours(825 * 24));
}

void ReadStore(ConfigFile& file, CollectorConfig::Store& store) {
  store.path = file.Path("store.path", store.path);
  store.retention = file.Time("store.retention", store.retention, hours(1), hours(3650 * 24));
}

void ReadTargets(ConfigFile& file, CollectorConfig::Targets& targets) {
  targets.local_networks = file.Prefixes("targets.local_networks");
  targets.deny = file.Prefixes("targets.deny");
  targets.forget_after =
      file.Time("targets.forget_after", targets.forget_after, minutes(1), hours(365 * 24));
}

void ReadSchedule(ConfigFile& file, CollectorConfig::Schedule& schedule) {
  schedule.baseline_interval =
      file.Time("schedule.baseline_interval", schedule.baseline_interval, seconds(1), hours(24));
  schedule.probe_tcp_port = static_cast<uint16_t>(file.Integer(
      "schedule.probe_tcp_port", schedule.probe_tcp_port, 1, std::numeric_limits<uint16_t>::max()));
  schedule.max_rounds_per_second =
      file.Number("schedule.max_rounds_per_second", schedule.max_rounds_per_second, 0.1, 10000);
}

void ReadDetect(ConfigFile& file, CollectorConfig::Detect& detect) {
  detect.open_after = file.Time("detect.open_after", detect.open_after, seconds(1), hours(1));
  detect.close_after = file.Time("detect.close_after", detect.close_after, seconds(1), hours(24));
  detect.flap_quiet = file.Time("detect.flap_quiet", detect.flap_quiet, seconds(10), hours(1));
  detect.lost_after = file.Time("detect.lost_after", detect.lost_after, seconds(3), hours(1));
}

}  // namespace

HostPort DefaultHttpsListen(const HostPort& listen) {
  constexpr uint16_t kApart = 1000;
  const bool room = listen.port <= std::numeric_limits<uint16_t>::max() - kApart;
  return {listen.host, static_cast<uint16_t>(room ? listen.port + kApart : listen.port - kApart)};
}

Result<CollectorConfig> LoadCollectorConfig(const std::string& path) {
  auto file = ConfigFile::Load(path);
  if (!file) {
    return tl::make_unexpected(std::move(file.error()));
  }
  CollectorConfig config;
  ReadServer(*file, config.server);
  ReadTls(*file, config.tls);
  ReadStore(*file, config.store);
  config.ingest.records_per_second = static_cast<uint32_t>(
      file->Integer("ingest.records_per_second", config.ingest.records_per_second, 100, 1'000'000));
  ReadTargets(*file, config.targets);
  ReadSchedule(*file, config.schedule);
  ReadDetect(*file, config.detect);
  config.log.level = file->Level("log.level", config.log.level);
  if (auto ok = file->Finish(); !ok) {
    return tl::make_unexpected(std::move(ok.error()));
  }
  return config;
}

}  // namespace parallax::collector
