#include "sensor/doctor/doctor_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <utility>

#include "common/checkup.h"
#include "common/log.h"
#include "sensor/config.h"
#include "sensor/doctor/judge.h"
#include "sensor/doctor/look.h"
#include "sensor/standard_output.h"

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

constexpr Duration kLook = 5s;      // what each look may take
constexpr Duration kMostWait = 8s;  // after which one that hangs is left behind

// What the looks have seen so far. Shared with those that are left behind.
struct Board {
  std::mutex mutex;
  SensorFacts facts;
};

std::string OwnPath() {
  std::array<char, 4096> path{};
  const ssize_t length = readlink("/proc/self/exe", path.data(), path.size());
  return length > 0 ? std::string(path.data(), static_cast<size_t>(length)) : "parallax-sensor";
}

// A task whose result is put on the board when it is there.
template <typename Look, typename Put>
std::function<void()> Task(std::shared_ptr<Board> board, Look look, Put put) {
  return [board = std::move(board), look = std::move(look), put = std::move(put)] {
    auto seen = look();
    const std::lock_guard lock(board->mutex);
    put(board->facts, std::move(seen));
  };
}

std::vector<std::function<void()>> Looks(const std::shared_ptr<Board>& board,
                                         const SensorConfig& config) {
  const MonoTime deadline = Now().mono + kLook;
  std::optional<TlsIdentity> identity;
  if (!board->facts.identity.whole) {
    auto loaded = LoadTlsIdentity(config.collector.ca_file, config.collector.certificate_file,
                                  config.collector.key_file, Now().wall);
    identity = loaded ? std::optional(std::move(*loaded)) : std::nullopt;
  }
  std::vector<std::function<void()>> tasks;
  for (size_t i = 0; i < config.collector.addresses.size(); ++i) {
    tasks.push_back(Task(
        board,
        [where = config.collector.addresses[i], identity, deadline] {
          return LookAtCollector(where, identity, deadline);
        },
        [i](SensorFacts& facts, CollectorFacts seen) { facts.collectors[i] = std::move(seen); }));
  }
  tasks.push_back(Task(
      board, [capture = config.capture, deadline] { return LookAtInterfaces(capture, deadline); },
      [](SensorFacts& facts, InterfacesFacts seen) { facts.interfaces = std::move(seen); }));
  tasks.push_back(Task(
      board, [folder = config.spool.dir] { return LookAtSpool(folder); },
      [](SensorFacts& facts, SpoolFacts seen) { facts.spool = std::move(seen); }));
  tasks.push_back(Task(
      board, [deadline] { return LookAtLoopback(deadline); },
      [](SensorFacts& facts, LoopbackFacts seen) { facts.loopback = std::move(seen); }));
  auto gateways = std::make_shared<GatewayLook>(board->facts.policy.policy);
  tasks.push_back([gateways] { gateways->Probe(); });
  tasks.push_back(Task(
      board, [gateways, deadline] { return gateways->Wait(deadline); },
      [](SensorFacts& facts, WayFacts seen) { facts.way = std::move(seen); }));
  return tasks;
}

int Print(const std::vector<CheckLine>& lines, bool json) {
  return PrintAnswer(json ? CheckupJson(lines) : CheckupTable(lines), CheckupExitCode(lines));
}

}  // namespace

int RunDoctorCommand(const DoctorOptions& options, const Together& together) {
  InitLog(LogLevel::kError);
  const auto config = LoadSensorConfig(options.config);
  if (!config) {
    return Print(
        {{"configuration", Finding::kFail, config.error().message, MendTheLines(options.config)}},
        options.json);
  }
  auto board = std::make_shared<Board>();
  SensorFacts& facts = board->facts;
  facts.config_file = options.config;
  facts.program = OwnPath();
  facts.person = LookAtPerson();
  facts.identity = LookAtIdentity(config->collector, Now().wall);
  facts.policy = LookAtPolicy(config->probe.policy_file);
  facts.clock = LookAtClock();
  facts.waited = kMostWait;
  for (const HostPort& where : config->collector.addresses) {
    CollectorFacts& unseen = facts.collectors.emplace_back();
    unseen.where = where;
    unseen.waited = kMostWait;
  }
  const bool all = together(Looks(board, *config), kMostWait);
  std::vector<CheckLine> lines;
  {
    const std::lock_guard lock(board->mutex);
    lines = JudgeSensor(facts);
  }
  const int code = Print(lines, options.json);
  if (!all) {
    std::_Exit(code);  // not past the threads that still hang
  }
  return code;
}

}  // namespace parallax::sensor
