// parallax-collector. The wiring diagram of the running collector is RunCollector.
#include <cstdio>
#include <thread>

#include "collector/command_line.h"
#include "collector/config.h"
#include "collector/detect/engine.h"
#include "collector/enrol/enrol_service.h"
#include "collector/enrol/https_server.h"
#include "collector/enrol/trust_desk.h"
#include "collector/ingest/link_server.h"
#include "collector/operate/authority_files.h"
#include "collector/operate/identity_keeper.h"
#include "collector/operate/init.h"
#include "collector/operate/operator_server.h"
#include "collector/operate/probe_desk.h"
#include "collector/store/db_files.h"
#include "collector/store/sqlite_store.h"
#include "collector/store/writer.h"
#include "common/certificate_life.h"
#include "common/fd.h"
#include "common/identity_holder.h"
#include "common/log.h"
#include "common/queue.h"
#include "common/result.h"
#include "common/signals.h"
#include "common/siphash.h"
#include "common/tls.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;

constexpr const char* kProgram = "parallax-collector";
constexpr size_t kLinkEvents = 100;  // batches of up to 1,000 records: bounds the memory
constexpr size_t kStoreOps = 300;    // a batch is one op: bounds the memory while the store is slow
constexpr Duration kTick = 100ms;

EngineOptions EngineOptionsFrom(const CollectorConfig& config) {
  EngineOptions options;
  options.targets.local_networks = config.targets.local_networks;
  options.targets.deny = config.targets.deny;
  options.targets.forget_after = config.targets.forget_after;
  options.incidents.open_after = config.detect.open_after;
  options.incidents.close_after = config.detect.close_after;
  options.incidents.flap_quiet = config.detect.flap_quiet;
  options.baseline_interval = config.schedule.baseline_interval;
  options.probe_tcp_port = config.schedule.probe_tcp_port;
  options.max_rounds_per_second = config.schedule.max_rounds_per_second;
  options.lost_after = config.detect.lost_after;
  return options;
}

// Events in, actions out, until the queue is closed and empty.
void RunEngine(Engine& engine, BoundedQueue<LinkEvent>& events, BoundedQueue<StoreOp>& store_ops,
               LinkServer& link, const TrustDesk& desk, ProbeDesk& probes) {
  MonoTime next_tick{};
  uint64_t drained_version = 0;
  while (true) {
    std::vector<LinkEvent> batch = events.PopBatch(256, kTick);
    if (batch.empty() && events.closed()) {
      return;
    }
    link.Resume();  // there is room again
    if (const uint64_t version = desk.drained_version(); version != drained_version) {
      drained_version = version;
      engine.SetDrained(desk.Drained());
    }
    for (LinkEvent& event : batch) {
      const Moment now = Now();
      if (auto* connected = std::get_if<SensorConnected>(&event)) {
        engine.OnConnected(connected->name, connected->group, connected->address, connected->hello,
                           now);
      } else if (auto* health = std::get_if<SensorHealthReported>(&event)) {
        engine.OnHealth(health->name, health->health, now);
      } else if (auto* gone = std::get_if<SensorDisconnected>(&event)) {
        engine.OnDisconnected(gone->name, gone->goodbye, now);
      } else if (auto* records = std::get_if<IngestedBatch>(&event)) {
        probes.Hear(*records);
        engine.OnBatch(std::move(*records), now);
      } else if (auto* refused = std::get_if<RefusedBatch>(&event)) {
        store_ops.Push(std::move(*refused));
      } else if (auto* identity = std::get_if<SensorIdentity>(&event)) {
        store_ops.Push(std::move(*identity));
      }
    }
    const Moment now = Now();
    if (now.mono >= next_tick) {
      engine.Tick(now);
      next_tick = now.mono + kTick;
    }
    Actions actions = engine.Take();
    for (const SensorOrders& to : actions.orders) {
      link.SendOrders(to.sensor, to.orders);
    }
    for (const std::string& note : actions.notes) {
      LogInfo("{}", note);
    }
    for (StoreOp& op : actions.store) {
      store_ops.Push(std::move(op));  // waits for a slow store: that is the backpressure
    }
  }
}

// For operators who ask how the collector itself is.
DaemonFacts DescribeDaemon(const CollectorConfig& config, const TlsIdentity& identity,
                           const StoreWriterStats& store) {
  DaemonFacts facts;
  facts.store_problem = store.failing ? store.last_error : std::string();
  if (const auto own = DescribeCertificate(identity.certificate_pem)) {
    facts.certificate_made = own->not_before;
    facts.certificate_expires = own->not_after;
  }
  if (const auto ca = DescribeCertificate(identity.ca_pem)) {
    facts.ca_made = ca->not_before;
    facts.ca_expires = ca->not_after;
  }
  facts.local_networks = config.targets.local_networks.prefixes().size();
  facts.retention = config.store.retention;
  return facts;
}

EnrolServiceOptions EnrolOptionsFrom(const CollectorConfig& config) {
  EnrolServiceOptions options;
  options.sign = [config](const std::string& request, const PeerName& peer, WallTime now) {
    return SignForSensor(config, request, peer, now);
  };
  options.ca_bundle = [config] { return ReadSmallFile(config.tls.ca_file); };
  if (auto authority = ReadAuthority(config); !authority) {
    LogWarning("no sensor can enroll: {}", authority.error().message);
  }
  if (auto addresses = ReportAddresses(config)) {
    options.collectors = std::move(*addresses);
  } else {
    LogWarning("no sensor can enroll: {}", addresses.error().message);
  }
  return options;
}

ShownCertificate ShownBy(const PeerName& peer, const CertificateInfo& certificate) {
  return {peer, certificate.key_sha256, IssuedAt(certificate.not_before, certificate.not_after),
          certificate.not_after};
}

Result<std::string> Renew(const CollectorConfig& config, TrustDesk& desk,
                          const ShownCertificate& shown, const std::string& request,
                          const std::string& key_sha256) {
  constexpr Duration kPatience = std::chrono::seconds(2);
  Result<Grant> grant;
  const auto stored = desk.DoAndWait(
      [&](Registry& registry) { grant = registry.Renew(shown, key_sha256, Now().wall); },
      kPatience);
  if (!stored) {
    return tl::make_unexpected(stored.error());
  }
  return grant.and_then([&](const Grant& given) {
    return SignForSensor(config, request, given.peer, given.issue_at);
  });
}

// Whoever connects from now on sees it; sensors that are connected hear which CAs to trust.
void ShowNewIdentity(const TlsIdentity& identity, HttpsServer& https, LinkServer& link) {
  if (const auto used = https.UseIdentity(identity); !used) {
    LogError("the enrolment port keeps its old certificate: {}", used.error().message);
  }
  link.TellTrust();
}

Result<void> RunCollector(const CollectorConfig& config) {
  const Moment start = Now();
  auto loaded = LoadCollectorIdentity(config, start.wall);
  if (!loaded) {
    return tl::make_unexpected(loaded.error());
  }
  const auto identity = std::make_shared<IdentityHolder>(std::move(*loaded));
  auto store = SqliteStore::Open(config.store.path);
  if (!store) {
    return tl::make_unexpected(store.error());
  }
  auto saved = (*store)->Load();
  if (!saved) {
    return tl::make_unexpected(saved.error());
  }

  // Queues, producer -> consumer.
  BoundedQueue<LinkEvent> events(kLinkEvents);  // link streams -> engine
  BoundedQueue<StoreOp> store_ops(kStoreOps);   // engine, trust desk -> store writer

  // Who may report: asked by the link, the enrolment port and operators, each on its own threads.
  TrustDesk desk(
      Registry({.certificate_life = config.tls.sensor_certificate_life}, std::move(saved->trust)),
      store_ops);

  // Threads: gRPC's own for the link and for operators, the engine, the store writer, the enrolment
  // port.
  Engine engine(EngineOptionsFrom(config), *saved, static_cast<uint64_t>(ToUnixNanos(start.wall)),
                start);
  LinkServerOptions link_options;
  link_options.marks = saved->marks;
  link_options.records_per_second = config.ingest.records_per_second;
  link_options.may_speak = [&desk](const PeerName& peer, const CertificateInfo& shown) {
    return desk.MaySpeak(ShownBy(peer, shown));
  };
  link_options.renew = [&](const PeerName& peer, const CertificateInfo& shown,
                           const std::string& request, const std::string& key) {
    return Renew(config, desk, ShownBy(peer, shown), request, key);
  };
  auto link = LinkServer::Start(config.server.listen, identity, events, link_options);
  if (!link) {
    return tl::make_unexpected(link.error());
  }
  *saved = {};  // the engine's and the link's now; it may be large
  // What operators have probed: asked on their threads, answered on the engine's.
  ProbeDesk probes(RandomHashKey()[0]);
  probes.OnSend([&](const SensorName& sensor, const std::vector<Order>& orders) {
    (*link)->SendOrders(sensor, orders);
  });
  desk.OnEnd([&](const SensorName& sensor, const std::string& why) { (*link)->End(sensor, why); });
  EnrolService enrol(EnrolOptionsFrom(config), desk);
  auto https = HttpsServer::Open(
      config.server.https_listen, *identity->Get().identity,
      [&](const HttpRequest& request, const HttpReply& reply) { enrol.Handle(request, reply); });
  if (!https) {
    return tl::make_unexpected(https.error());
  }
  StoreWriterOptions writer_options;
  writer_options.retention = config.store.retention;
  writer_options.trust_committed = [&](uint64_t ticket) { desk.Committed(ticket); };
  StoreWriter writer(
      **store, store_ops,
      [&](const SensorName& sensor, uint64_t epoch, uint64_t last) {  // writer -> link: acks
        (*link)->Committed(sensor, epoch, last);
      },
      writer_options);
  auto operators = OperatorServer::Start(
      {.socket_path = config.server.operator_socket,
       .database_path = config.store.path,
       .started_at = start.wall,
       .daemon = [&] { return DescribeDaemon(config, *identity->Get().identity, writer.stats()); },
       .desk = &desk,
       .probes = &probes,
       .may_probe = [&](const IpAddress& target) { return !config.targets.deny.Contains(target); },
       .listen = config.server.operator_listen,
       .identity = identity,
       .tls = config.tls});
  if (!operators) {
    return tl::make_unexpected(operators.error());
  }
  std::thread writer_thread([&] { writer.Run(); });
  std::thread engine_thread([&] { RunEngine(engine, events, store_ops, **link, desk, probes); });
  IdentityKeeper keeper(config, identity, RandomHashKey()[0]);
  std::thread https_thread([&] {
    (*https)->Run([&] {
      const WallTime now = Now().wall;
      desk.Tick(now);
      if (keeper.Step(now)) {
        ShowNewIdentity(*identity->Get().identity, **https, **link);
      }
    });
  });

  LogInfo("collector {} listens for sensors on {}, for new ones on {}, for operators on {}",
          PARALLAX_VERSION, config.server.listen.ToString(), config.server.https_listen.ToString(),
          config.server.operator_socket);
  if (config.server.operator_listen) {
    LogInfo("operators connect from elsewhere to {}", config.server.operator_listen->ToString());
  }
  if (config.targets.local_networks.empty()) {
    LogWarning(
        "targets.local_networks is empty: hosts of this campus that connect across it count "
        "as remote, and their firewalls may look like faults");
  }
  const int signal = WaitForTermination();
  LogInfo("signal {}: stopping", signal);

  // Upstream first, so that what was taken in is also stored and acknowledged.
  (*https)->Stop();
  https_thread.join();
  (*operators)->Stop();
  (*link)->StopReading();
  events.Close();
  engine_thread.join();
  store_ops.Close();
  writer_thread.join();
  (*link)->Stop();
  return {};
}

Result<void> CheckConfig(const std::string& path) {
  const auto config = LoadCollectorConfig(path);
  if (!config) {
    return tl::make_unexpected(config.error());
  }
  const auto identity = LoadTlsIdentity(config->tls.ca_file, config->tls.certificate_file,
                                        config->tls.key_file, Now().wall);
  if (!identity) {
    return tl::make_unexpected(identity.error());
  }
  std::printf("%s: ok\n", path.c_str());
  return {};
}

Result<void> Print(const Result<std::string>& text) {
  if (!text) {
    return tl::make_unexpected(text.error());
  }
  std::fputs(text->c_str(), stdout);
  return {};
}

Result<std::string> RunDb(const DbCommand& db) {
  const auto config = LoadCollectorConfig(db.config);
  if (!config) {
    return tl::make_unexpected(config.error());
  }
  switch (db.action) {
    case DbAction::kVerify:
      return VerifyDatabase(config->store.path);
    case DbAction::kMigrate:
      return MigrateDatabase(config->store.path);
    case DbAction::kBackup:
      break;
  }
  return BackupDatabase(config->store.path, db.out);
}

Result<void> MakeStore(const std::string& path) {
  const auto store = SqliteStore::Open(path);
  return store ? Result<void>() : tl::make_unexpected(store.error());
}

Result<void> Dispatch(const Command& command) {
  if (const auto* run = std::get_if<RunCommand>(&command)) {
    const auto config = LoadCollectorConfig(run->config);
    if (!config) {
      return tl::make_unexpected(config.error());
    }
    InitLog(config->log.level);
    BlockDaemonSignals();
    return RunCollector(*config);
  }
  if (const auto* check = std::get_if<CheckConfigCommand>(&command)) {
    return CheckConfig(check->config);
  }
  if (const auto* init = std::get_if<InitCommand>(&command)) {
    return Print(InitCollector(init->options, MakeStore, Now().wall));
  }
  if (const auto* add = std::get_if<AddOperatorCommand>(&command)) {
    return Print(AddOperator(add->options, Now().wall));
  }
  if (const auto* remove = std::get_if<RemoveOperatorCommand>(&command)) {
    return Print(RemoveOperator(remove->name, remove->config));
  }
  if (const auto* ca = std::get_if<CaCommand>(&command)) {
    return Print(RunCa(ca->options, Now().wall));
  }
  if (const auto* db = std::get_if<DbCommand>(&command)) {
    return Print(RunDb(*db));
  }
  return Print(AddSensor(std::get<AddSensorCommand>(command).options, Now().wall));
}

}  // namespace
}  // namespace parallax::collector

int main(int argc, char** argv) {
  using namespace parallax;
  EnsureStandardStreams();
  const collector::Command command = collector::ParseCommandLine(argc, argv);
  if (const auto* leave = std::get_if<collector::Leave>(&command)) {
    return leave->exit_code;
  }
  const Result<void> done = collector::Dispatch(command);
  return done ? 0 : ReportFailure(collector::kProgram, done.error());
}
