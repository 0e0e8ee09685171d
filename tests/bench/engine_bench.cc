// The engine alone on a campus as large as one collector is to bear: 1,000 sensors of twenty
// departments, 100,000 targets. What sensors would say is made up here, without a network.
//
//   parallax_engine_bench [SECONDS [ROUNDS_PER_SECOND]]
//
// Begins as a collector does that is restarted after days, and plays SECONDS (default 300) of
// virtual time of each phase. A row each: rounds begun a second; the processor's time for one Tick
// with Take in milliseconds (median, 99th of a hundred, longest); that to take in what came between
// two ticks, likewise; targets, and resident memory.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "collector/detect/engine.h"
#include "common/address_offset.h"
#include "tests/bench/resident.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;

constexpr size_t kGroups = 20;
constexpr size_t kSensors = 1000;
constexpr size_t kTargets = 100'000;
constexpr size_t kTargetsV6 = 20'000;
constexpr size_t kCellsEach = 32;   // that a target has when it begins
constexpr size_t kWaysEach = 2;     // and ways to it that are known
constexpr size_t kServersEach = 3;  // that a remote host connects to
constexpr Duration kTick = 100ms;
constexpr Duration kHeartbeat = 2s;
constexpr Duration kLink = 5ms;

struct Phase {
  const char* name;
  double attempts_per_second;
  size_t failing_groups;  // whose sensors reach every other target only
  size_t silent_groups;   // whose sensors are not heard of
};

uint64_t Mix(uint64_t n) {
  n = (n ^ n >> 30) * 0xBF58476D1CE4E5B9;
  n = (n ^ n >> 27) * 0x94D049BB133111EB;
  return n ^ n >> 31;
}

class Field {
 public:
  explicit Field(EngineOptions options)
      : now_{MonoTime(1000h), WallTime(24h * 365 * 56)},
        engine_(std::move(options), Saved(), 1, now_) {
    for (size_t i = 0; i < kSensors; ++i) {
      SensorHello hello;
      hello.addresses = {AddressOf(i)};
      engine_.OnConnected(NameOf(i), GroupOf(i), AddressOf(i), hello, now_);
    }
  }

  void Play(const Phase& phase, Duration length) {
    std::vector<double> ticks;
    std::vector<double> feeds;
    const uint64_t rounds = rounds_;
    for (Duration done{}; done < length; done += kTick) {
      now_ = now_ + kTick;
      Prepare(phase);
      feeds.push_back(Milliseconds([&] { Feed(); }));
      Actions actions;
      ticks.push_back(Milliseconds([&] {
        engine_.Tick(now_);
        actions = engine_.Take();
      }));
      Obey(phase, actions);
    }
    std::sort(ticks.begin(), ticks.end());
    std::sort(feeds.begin(), feeds.end());
    const auto at = [](const std::vector<double>& v, size_t percent) {
      return v[std::min(v.size() - 1, v.size() * percent / 100)];
    };
    fmt::print("{:<44} {:>8.1f} {:>8.3f} {:>8.3f} {:>8.2f} {:>8.3f} {:>8.2f} {:>9} {:>7.0f}\n",
               phase.name, static_cast<double>(rounds_ - rounds) / ToSeconds(length), at(ticks, 50),
               at(ticks, 99), ticks.back(), at(feeds, 50), feeds.back(),
               engine_.targets().all().size(), bench::ResidentMiB());
    std::fflush(stdout);
  }

 private:
  static SensorName NameOf(size_t sensor) { return fmt::format("server-{}", sensor); }
  static std::string GroupOf(size_t sensor) {
    return fmt::format("dept-{}", sensor * kGroups / kSensors);
  }
  static IpAddress AddressOf(size_t sensor) {
    return Plus(*IpAddress::Parse("10.20.0.0"), 256 * (sensor / 100) + 10 + sensor % 100);
  }
  static IpAddress TargetAddress(size_t target) {
    return target < kTargetsV6 ? Plus(*IpAddress::Parse("2a00:1::"), target << 8)
                               : Plus(*IpAddress::Parse("11.0.0.0"), 7 * target);
  }
  static bool Answers(size_t target, ProbeMethod method) {
    const uint64_t bits = Mix(target);
    return method == ProbeMethod::kIcmpEcho ? bits % 10 < 7 : bits / 10 % 10 < 9;
  }
  static size_t Server(size_t target, size_t which) {
    return Mix(target * kServersEach + which) % kSensors;
  }
  static bool Fails(const Phase& phase, size_t sensor, size_t target) {
    return sensor * kGroups / kSensors < phase.failing_groups && Mix(~target) % 2 == 0;
  }
  static bool IsSilent(const Phase& phase, size_t sensor) {
    return kGroups - 1 - sensor * kGroups / kSensors < phase.silent_groups;
  }

  static PathHops Way(size_t sensor, size_t target, bool fails) {
    const IpAddress routers = *IpAddress::Parse("10.1.0.0");
    PathHops hops = {{Plus(routers, 10 + sensor * kGroups / kSensors)}};
    if (!fails) {
      hops.push_back({Plus(routers, 1)});
      for (size_t ttl = 2; ttl < 10; ++ttl) {
        hops.push_back({Plus(routers, 1000 * ttl + (Mix(target) >> (20 - ttl)) % (1 << ttl))});
      }
      hops.push_back({TargetAddress(target)});
    }
    return hops;
  }

  SavedState Saved() {
    SavedState saved;
    for (size_t i = 0; i < kSensors; ++i) {
      SensorRecord sensor;
      sensor.name = NameOf(i);
      sensor.group = GroupOf(i);
      sensor.address = AddressOf(i);
      saved.sensors.push_back(std::move(sensor));
      sensors_[NameOf(i)] = i;
    }
    for (size_t t = 0; t < kTargets; ++t) {
      TargetRecord target;
      target.address = TargetAddress(t);
      target.first_seen = target.last_seen = now_.wall;
      const bool icmp = Answers(t, ProbeMethod::kIcmpEcho);
      const bool tcp = Answers(t, ProbeMethod::kTcpSyn);
      target.icmp_answered = icmp ? now_.wall : WallTime{};
      target.tcp_answered = tcp ? now_.wall : WallTime{};
      target.verdict = icmp || tcp ? Verdict::kHealthy : Verdict::kUnknown;
      targets_[target.address] = t;
      for (size_t i = 0; i < kCellsEach && (icmp || tcp); ++i) {
        const size_t sensor = (Mix(t) + i * 61) % kSensors;
        saved.cells.push_back({NameOf(sensor), target.address, CellState::kUp, now_.wall, 20ms});
      }
      for (size_t i = 0; i < kWaysEach && (icmp || tcp); ++i) {
        const size_t sensor = (Mix(t) + i * 61) % kSensors;
        saved.paths.push_back({NameOf(sensor), target.address, now_.wall, Way(sensor, t, false)});
      }
      saved.targets.push_back(std::move(target));
    }
    return saved;
  }

  void Add(size_t sensor, Record record, Duration after) {
    coming_[now_.mono + after].emplace_back(sensor, std::move(record));
  }

  // What sensors say until now: made outside of the time that is taken.
  void Prepare(const Phase& phase) {
    heartbeats_.clear();
    batches_.clear();
    for (size_t i = 0; i < kSensors; ++i) {
      const bool due =
          i % (kHeartbeat / kTick) == static_cast<size_t>(tick_ % (kHeartbeat / kTick));
      if (due && !IsSilent(phase, i)) {
        heartbeats_.push_back(i);
      }
    }
    ++tick_;
    attempts_due_ += phase.attempts_per_second * ToSeconds(kTick);
    for (; attempts_due_ >= 1; attempts_due_ -= 1) {
      Connect(phase, random_() % kTargets);
    }
    std::map<size_t, std::vector<Record>> records;
    while (!coming_.empty() && coming_.begin()->first <= now_.mono) {
      for (auto& [sensor, record] : coming_.begin()->second) {
        if (!IsSilent(phase, sensor)) {
          records[sensor].push_back(std::move(record));
        }
      }
      coming_.erase(coming_.begin());
    }
    for (auto& [sensor, list] : records) {
      batches_.push_back({NameOf(sensor), 1, 1, now_.wall, std::move(list)});
    }
  }

  void Feed() {
    SensorHealth health;
    health.probing = true;
    health.gateways = {{*IpAddress::Parse("10.20.0.1"), Reach::kUp, 0, 0},
                       {*IpAddress::Parse("fe80::1"), Reach::kUp, 0, 0}};
    for (const size_t i : heartbeats_) {
      engine_.OnHealth(NameOf(i), health, now_);
    }
    for (IngestedBatch& batch : batches_) {
      engine_.OnBatch(std::move(batch), now_);
    }
  }

  void Connect(const Phase& phase, size_t target) {
    const size_t sensor = Server(target, random_() % kServersEach);
    Attempt attempt;
    attempt.client = {TargetAddress(target), static_cast<uint16_t>(1024 + random_() % 60'000)};
    attempt.server = {AddressOf(sensor), 25};
    attempt.isn = static_cast<uint32_t>(random_());
    attempt.first_seen = now_.wall;
    attempt.syns = 1;
    Add(sensor, attempt, kLink);
    attempt.syn_acks = 1;
    attempt.outcome = AttemptOutcome::kCompleted;
    attempt.age = 1500ms;
    if (Fails(phase, sensor, target)) {
      attempt.outcome = AttemptOutcome::kHalfOpen;
      attempt.syns = attempt.syn_acks = 2;
      attempt.age = 1s;
    }
    Add(sensor, attempt, attempt.age + kLink);
  }

  void Obey(const Phase& phase, const Actions& actions) {
    for (const SensorOrders& to : actions.orders) {
      const size_t sensor = sensors_.at(to.sensor);
      for (const Order& order : to.orders) {
        if (const auto* probe = std::get_if<ProbeOrder>(&order)) {
          rounds_ += probe->id > last_round_ ? 1 : 0;
          last_round_ = std::max(last_round_, probe->id);
          Execute(phase, sensor, *probe);
        } else {
          Trace(phase, sensor, std::get<PathOrder>(order));
        }
      }
    }
  }

  void Execute(const Phase& phase, size_t sensor, const ProbeOrder& order) {
    ProbeReport report;
    report.order_id = order.id;
    report.target = order.target;
    const auto target = targets_.find(order.target);
    Duration took = order.start_after;
    for (size_t i = 0; i < order.tries.size(); ++i) {
      ProbeTryResult result;
      result.attempt = order.tries[i];
      const bool answered =
          target == targets_.end() ||  // a sensor's host
          (!Fails(phase, sensor, target->second) && Answers(target->second, order.tries[i].method));
      result.state = answered ? ProbeState::kAnswered : ProbeState::kSilent;
      result.rtt = 20ms;
      report.tries.push_back(result);
      if (answered && !order.every) {
        took += 20ms;
        break;
      }
      took += i + 1 < order.tries.size() ? order.spacing : order.timeout;
    }
    report.age = took;
    Add(sensor, report, 2 * kLink + took);
  }

  void Trace(const Phase& phase, size_t sensor, const PathOrder& order) {
    PathReport report;
    report.order_id = order.id;
    report.target = order.target;
    report.attempt = order.attempt;
    const size_t target = targets_.at(order.target);
    const bool fails = Fails(phase, sensor, target);
    report.hops = Way(sensor, target, fails);
    report.end = fails ? TraceEnd::kSilent : TraceEnd::kReached;
    Add(sensor, report, 2s);
  }

  template <typename Task>
  static double Milliseconds(Task&& task) {
    const std::clock_t start = std::clock();
    task();
    return static_cast<double>(std::clock() - start) * 1000 / CLOCKS_PER_SEC;
  }

  std::mt19937_64 random_{1};
  Moment now_;
  std::map<SensorName, size_t> sensors_;
  std::map<IpAddress, size_t> targets_;
  Engine engine_;
  std::map<MonoTime, std::vector<std::pair<size_t, Record>>> coming_;
  std::vector<size_t> heartbeats_;
  std::vector<IngestedBatch> batches_;
  uint64_t tick_ = 0;
  double attempts_due_ = 0;
  uint64_t rounds_ = 0;
  uint64_t last_round_ = 0;
};

int Main(int seconds, double rounds_per_second) {
  EngineOptions options;
  options.max_rounds_per_second = rounds_per_second;
  const double before = bench::ResidentMiB();
  Field field(options);
  fmt::print("{} sensors, {} targets of {} cells, {} rounds a second; ready with {:.0f} MiB\n",
             kSensors, kTargets, kCellsEach, rounds_per_second, bench::ResidentMiB() - before);
  fmt::print("{:<44} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>9} {:>7}\n", "PHASE", "ROUNDS/S",
             "TICK_P50", "TICK_P99", "TICK_MAX", "FEED_P50", "FEED_MAX", "TARGETS", "MIB");
  constexpr Phase kPhases[] = {
      {"peace, 300 attempts/s", 300, 0, 0},
      {"100 sensors fail for half of the targets", 300, 2, 0},
      {"and 5,000 attempts/s", 5000, 2, 0},
      {"peace, 5,000 attempts/s", 5000, 0, 0},
      {"300 sensors fall silent", 300, 0, 6},
  };
  for (const Phase& phase : kPhases) {
    field.Play(phase, std::chrono::seconds(seconds));
  }
  fmt::print(
      "target: no tick beyond 20 ms, at most 512 MiB (this program's own tables included)\n");
  return 0;
}

}  // namespace
}  // namespace parallax::collector

int main(int argc, char** argv) {
  const int seconds = argc > 1 ? std::atoi(argv[1]) : 300;
  const double rounds = argc > 2 ? std::atof(argv[2]) : 20;
  return parallax::collector::Main(seconds > 0 ? seconds : 300, rounds > 0 ? rounds : 20);
}
