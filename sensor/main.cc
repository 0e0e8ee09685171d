// parallax-sensor. The wiring diagram of the running sensor is RunSensor.
#include <fmt/format.h>

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <thread>

#include "common/fd.h"
#include "common/identity_files.h"
#include "common/identity_holder.h"
#include "common/log.h"
#include "common/pause.h"
#include "common/result.h"
#include "common/signals.h"
#include "common/siphash.h"
#include "common/tls.h"
#include "sensor/capture/interfaces.h"
#include "sensor/capture/live_capture.h"
#include "sensor/capture_work.h"
#include "sensor/command_line.h"
#include "sensor/config.h"
#include "sensor/link/convert.h"
#include "sensor/link/identity_keeper.h"
#include "sensor/link/link_client.h"
#include "sensor/link/renew_call.h"
#include "sensor/observe/observer.h"
#include "sensor/privilege.h"
#include "sensor/probe/policy/policy_file.h"
#include "sensor/probe/probe_engine.h"
#include "sensor/spool/spool.h"

namespace parallax::sensor {
namespace {

constexpr const char* kProgram = "parallax-sensor";

// Where to listen and what is local, after the defaults.
struct Place {
  std::vector<std::string> interfaces;
  PrefixSet local_networks;
  std::vector<IpAddress> addresses;
};

Result<Place> FindPlace(const SensorConfig& config) {
  const auto host = ListInterfaces();
  if (!host) {
    return tl::make_unexpected(host.error());
  }
  for (const std::string& name : config.capture.interfaces) {
    if (FindInterface(name).index == 0) {
      return tl::make_unexpected(NoSuchInterface(name));
    }
  }
  Place place;
  place.interfaces = config.capture.interfaces.empty() ? DefaultCaptureInterfaces(*host)
                                                       : config.capture.interfaces;
  if (place.interfaces.empty()) {
    return Fail(ErrorCode::kNotFound,
                "no interface that is up and has an address; name one in capture.interfaces");
  }
  if (place.interfaces.size() > LiveCapture::kMostInterfaces) {
    return Fail(ErrorCode::kUsage, "more than 64 interfaces; name some in capture.interfaces");
  }
  place.local_networks = config.capture.local_networks.empty()
                             ? PrefixSet(NetworksOf(*host, place.interfaces))
                             : config.capture.local_networks;
  place.addresses = AddressesOf(*host, place.interfaces);
  for (const IpAddress& address : place.addresses) {  // ourselves, whatever the file says
    place.local_networks.Add(Prefix(address, address.bits()));
  }
  return place;
}

SensorHealth GatherHealth(const LiveCapture& capture, const ProbeEngine& probes,
                          const CaptureWork& work, const Spool& spool) {
  SensorHealth health;
  work.AddTo(health);
  health.interfaces = capture.Health();
  for (const InterfaceHealth& interface : health.interfaces) {
    health.packets_dropped += interface.packets_dropped;
  }
  const ProbeHealth probe = probes.Health();
  health.gateways = probe.gateways;
  health.probes_sent = probe.probes_sent;
  health.probes_refused = probe.probes_refused;
  health.probing = probe.probing;
  health.probing_problem = probe.problem;
  const Spool::Stats stats = spool.stats();
  health.spool_records = stats.records;
  health.spool_bytes = stats.bytes;
  health.records_dropped = stats.dropped;
  health.spool_problem = stats.problem;
  health.said_at = Now().wall;
  return health;
}

// Without a readable policy, or without the right to open raw sockets, the sensor still senses.
Result<std::unique_ptr<ProbeEngine>> OpenProbes(const PolicyChange& start,
                                                const std::string& name) {
  ProbeEngineOptions options;
  options.policy = start.policy;
  options.policy_problem = start.problem;
  options.flow_key = StableFlowKey(name);
  auto engine = ProbeEngine::Open(std::move(options));
  if (engine && !(*engine)->Health().probing) {
    LogError("{}; this sensor does not probe", (*engine)->Health().problem);
  }
  return engine;
}

IdentityPaths PathsOf(const SensorConfig::Collector& files) {
  return {files.ca_file, files.certificate_file, files.key_file};
}

// Who we are, as our certificate says.
struct Self {
  TlsIdentity identity;
  PeerName who;
};

Result<Self> FindSelf(const SensorConfig& config) {
  if (auto whole = FinishInstall(PathsOf(config.collector)); !whole) {
    return tl::make_unexpected(whole.error());
  }
  auto identity = LoadTlsIdentity(config.collector.ca_file, config.collector.certificate_file,
                                  config.collector.key_file, Now().wall);
  if (!identity) {
    return tl::make_unexpected(identity.error());
  }
  const auto certificate = DescribeCertificate(identity->certificate_pem);
  const auto who = certificate ? ParseSensorUri(certificate->spiffe_uri) : std::nullopt;
  if (!who) {
    return Fail(ErrorCode::kBadConfig,
                fmt::format("{}: names no sensor; get one from the collector with: "
                            "parallax-sensor enroll",
                            config.collector.certificate_file));
  }
  return Self{std::move(*identity), *who};
}

// The monotonic clock begins anew with each boot.
uint64_t BootName() {
  const auto id = ReadSmallFile("/proc/sys/kernel/random/boot_id");
  if (!id) {
    return 0;
  }
  constexpr HashKey kKey{};  // nothing secret about it
  return SipHash24(kKey, {reinterpret_cast<const uint8_t*>(id->data()), id->size()}) | 1;
}

// What has to be done a few times a second.
void KeepHouse(Spool& spool, const LinkClient& link, ProbeEngine& probes,
               const std::stop_token& stop) {
  constexpr Duration kEvery = std::chrono::milliseconds(200);
  do {
    spool.Keep(Now());
    probes.SetConnected(link.connected());
  } while (Pause(stop, kEvery));
}

SpoolOptions SpoolOptionsFrom(const SensorConfig::Spool& config) {
  SpoolOptions options;
  options.most_bytes = uint64_t{config.max_mib} << 20;
  options.most_memory = uint64_t{config.memory_mib} << 20;
  options.boot = BootName();
  options.new_epoch = [] { return RandomHashKey()[0] | 1; };
  options.encode = [](const Gap& gap) { return Encode(gap); };
  return options;
}

Result<void> RunSensor(const SensorConfig& config) {
  auto self = FindSelf(config);
  if (!self) {
    return tl::make_unexpected(self.error());
  }
  const PeerName& who = self->who;
  const auto identity = std::make_shared<IdentityHolder>(std::move(self->identity));
  const auto found = FindPlace(config);
  if (!found) {
    return tl::make_unexpected(found.error());
  }
  const Place& place = *found;

  // Privileged first, then never again.
  LiveCaptureOptions capture_options;
  capture_options.interfaces = place.interfaces;
  capture_options.announcements = AnnouncementScope::kAll;
  capture_options.promiscuous = config.capture.promiscuous;
  capture_options.ring_bytes = size_t{config.capture.ring_mib} << 20;
  auto capture = LiveCapture::Open(capture_options);
  if (!capture) {
    return tl::make_unexpected(capture.error());
  }
  const PolicyChange start = Reconsider(std::nullopt, LoadPolicy(config.probe.policy_file));
  std::optional<Policy> policy = start.policy;
  auto probes = OpenProbes(start, who.name);
  if (!probes) {
    return tl::make_unexpected(probes.error());
  }
  if (const auto dropped = DropPrivileges(KeepCapability::kNetRaw); !dropped) {
    return dropped;
  }

  // The spool: capture and probe threads -> disk, link. Orders: link -> probe engine's mailbox.
  auto spool_files = std::optional(OpenSpoolFolder(config.spool.dir));
  if (!*spool_files && spool_files->error().code == ErrorCode::kUnavailable) {
    return tl::make_unexpected(spool_files->error());  // not to be waited for: stop the other one
  }
  Spool spool(SpoolOptionsFrom(config.spool), [&]() -> Result<std::unique_ptr<SpoolFiles>> {
    auto first = std::exchange(spool_files, std::nullopt);
    return first ? std::move(*first) : OpenSpoolFolder(config.spool.dir);
  });
  spool.Keep(Now());
  ObserverOptions observer_options;
  observer_options.local_networks = place.local_networks;
  observer_options.own_probes = {place.addresses, (*probes)->ports().first,
                                 (*probes)->ports().last};
  observer_options.attempts = config.observe.attempts;
  observer_options.attempts_per_second = config.observe.attempts_per_second;
  observer_options.attempts_per_second_total = config.observe.attempts_per_second_total;
  observer_options.key = RandomHashKey();
  CaptureWork work(observer_options, spool);
  IdentityKeeper keeper(
      PathsOf(config.collector), identity,
      [&](const TlsIdentity& own, const std::string& request, const std::stop_token& stop) {
        return AskToRenew(config.collector.addresses, own, request, stop);
      },
      RandomHashKey()[0]);
  LinkOptions link_options;
  link_options.addresses = config.collector.addresses;
  link_options.identity = identity;
  link_options.on_trust = [&](const std::string& ca_pem) { keeper.Trust(ca_pem); };
  link_options.hello = {
      kLinkProtocol, PARALLAX_VERSION, {}, place.addresses, place.local_networks.prefixes()};
  LinkClient link(
      std::move(link_options), spool,
      [&] { return GatherHealth(**capture, **probes, work, spool); },
      [&](Order order) { (*probes)->Submit(std::move(order)); });

  std::atomic<bool> stop_capture = false;
  std::thread capture_thread([&] {
    (*capture)->Run({.segment = [&](const CapturedSegment& segment) { work.See(segment); },
                     .loss = [&](const CaptureLoss& loss) { work.Lose(loss); },
                     .idle = [&](const Moment& now) { work.Idle(now); },
                     .announcement = [&](const CapturedAnnouncement& heard) { work.Hear(heard); }},
                    stop_capture);
    work.Idle(Now());  // what came last
  });
  std::jthread probe_thread([&](std::stop_token stop) {
    (*probes)->Run(
        [&](const Record& record) { spool.Append(ClassOf(record), Encode(record), Now()); }, stop);
  });
  std::thread link_thread([&] { link.Run(); });
  std::jthread house_thread(
      [&](const std::stop_token& stop) { KeepHouse(spool, link, **probes, stop); });
  std::jthread identity_thread([&](const std::stop_token& stop) { keeper.Run(stop); });

  LogInfo("sensor {} ({}) {} listens on {}, reports to {}", who.name, who.group, PARALLAX_VERSION,
          fmt::join(place.interfaces, ", "), config.collector.addresses.front().ToString());
  const int signal = WaitForTermination([&] {
    const PolicyChange change = Reconsider(policy, LoadPolicy(config.probe.policy_file));
    policy = change.policy;
    if (!change.problem.empty()) {
      LogError("{}; this sensor {}", change.problem,
               policy ? "goes on with the policy it has" : "does not probe");
    } else {
      LogInfo("{}: read again, {}", config.probe.policy_file,
              change.changed ? "applied" : "unchanged");
    }
    (*probes)->SetPolicy(change.policy, change.problem);
  });
  LogInfo("signal {}: stopping", signal);

  stop_capture = true;
  capture_thread.join();
  probe_thread.request_stop();
  probe_thread.join();
  link.Stop();
  link_thread.join();
  identity_thread.request_stop();
  identity_thread.join();
  house_thread.request_stop();
  house_thread.join();
  spool.Close(Now());
  return {};
}

Result<void> CheckConfig(const std::string& path) {
  const auto config = LoadSensorConfig(path);
  if (!config) {
    return tl::make_unexpected(config.error());
  }
  if (const auto self = FindSelf(*config); !self) {
    return tl::make_unexpected(self.error());
  }
  if (!config->capture.interfaces.empty()) {  // else those that will be up then
    if (const auto place = FindPlace(*config); !place) {
      return tl::make_unexpected(place.error());
    }
  }
  if (const auto policy = LoadPolicy(config->probe.policy_file); !policy) {
    return tl::make_unexpected(policy.error());
  }
  std::printf("%s: ok\n", path.c_str());
  return {};
}

// Each task on a thread of its own. Those that are not done in time are left behind with it.
bool RunTogether(std::vector<std::function<void()>> tasks, Duration most) {
  struct Open {
    std::mutex mutex;
    std::condition_variable fewer;
    size_t tasks = 0;
  };
  const auto open = std::make_shared<Open>();
  open->tasks = tasks.size();
  for (std::function<void()>& task : tasks) {
    std::thread([open, task = std::move(task)] {
      task();
      const std::lock_guard lock(open->mutex);
      --open->tasks;
      open->fewer.notify_all();
    }).detach();
  }
  std::unique_lock lock(open->mutex);
  return open->fewer.wait_for(lock, most, [&] { return open->tasks == 0; });
}

int Dispatch(const Command& command) {
  if (const auto* doctor = std::get_if<DoctorCommand>(&command)) {
    return RunDoctorCommand(doctor->options, RunTogether);
  }
  if (const auto* capture = std::get_if<CaptureCommand>(&command)) {
    return RunCaptureCommand(capture->options);
  }
  if (const auto* probe = std::get_if<ProbeCommand>(&command)) {
    return RunProbeCommand(probe->options);
  }
  if (const auto* trace = std::get_if<TraceCommand>(&command)) {
    return RunTraceCommand(trace->options);
  }
  if (const auto* spool = std::get_if<SpoolCommand>(&command)) {
    return RunSpoolCommand(spool->options);
  }
  Result<void> done;
  if (const auto* check = std::get_if<CheckConfigCommand>(&command)) {
    done = CheckConfig(check->config);
  } else if (const auto* enroll = std::get_if<EnrollCommand>(&command)) {
    done = RunEnroll(enroll->options);
  } else {
    const auto config = LoadSensorConfig(std::get<RunCommand>(command).config);
    if (config) {
      InitLog(config->log.level);
      BlockDaemonSignals();
      done = RunSensor(*config);
    } else {
      done = tl::make_unexpected(config.error());
    }
  }
  return done ? 0 : ReportFailure(kProgram, done.error());
}

}  // namespace
}  // namespace parallax::sensor

int main(int argc, char** argv) {
  using namespace parallax::sensor;
  parallax::EnsureStandardStreams();
  const Command command = ParseCommandLine(argc, argv);
  if (const auto* leave = std::get_if<Leave>(&command)) {
    return leave->exit_code;
  }
  return Dispatch(command);
}
