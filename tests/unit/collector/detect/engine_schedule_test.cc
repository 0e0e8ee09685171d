// What the scheduler promises, whatever comes: random campuses, storms of triggers, and everything
// that it orders is looked at (schedule_watch.h). One seed, one run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/unit/collector/detect/schedule_watch.h"
#include "tests/unit/collector/detect/world.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;

class Dice {
 public:
  explicit Dice(uint64_t seed) : random_(seed) {}
  size_t Between(size_t least, size_t most) { return least + random_() % (most - least + 1); }
  bool OneIn(size_t n) { return random_() % n == 0; }
  double Share() { return static_cast<double>(random_() % 10'000) / 10'000; }

 private:
  std::mt19937_64 random_;
};

Record HalfOpen(const IpAddress& client, const IpAddress& server, Moment now) {
  Attempt attempt;
  attempt.client = {client, 40'000};
  attempt.server = {server, 25};
  attempt.first_seen = now.wall - 1s;
  attempt.age = 1s;
  attempt.outcome = AttemptOutcome::kHalfOpen;
  attempt.syns = attempt.syn_acks = 2;
  return attempt;
}

Record Completed(const IpAddress& client, const IpAddress& server, Moment now) {
  Attempt attempt = std::get<Attempt>(HalfOpen(client, server, now));
  attempt.outcome = AttemptOutcome::kCompleted;
  attempt.syns = attempt.syn_acks = 1;
  return attempt;
}

void AddSensors(sim::Campus& campus, size_t sensors, size_t groups, double loss, Dice& dice) {
  for (size_t i = 0; i < sensors; ++i) {
    // The first ones are of different groups; the others crowd.
    const size_t group = i < groups ? i : dice.Between(0, dice.Between(0, groups - 1));
    campus.AddSensor("s" + std::to_string(i), "g" + std::to_string(group));
    campus.sensors()[i].loss = loss;
  }
}

void AddHosts(sim::Campus& campus, size_t hosts, Dice& dice) {
  for (size_t i = 0; i < hosts; ++i) {
    const bool v6 = dice.OneIn(4);
    campus.AddRemotes(1, !dice.OneIn(3), !dice.OneIn(4), v6 ? Family::kV6 : Family::kV4);
  }
}

// Everything that may go wrong goes wrong.
class Storm {
 public:
  Storm(sim::Campus& campus, Dice& dice) : campus_(campus), dice_(dice) {}

  void Strike() {
    const size_t sensor = dice_.Between(0, campus_.sensors().size() - 1);
    sim::Place& place = campus_.sensors()[sensor];
    switch (dice_.Between(0, 11)) {
      case 0:  // some clients of a sensor are in trouble
      case 1:
      case 2:
        for (size_t n = dice_.Between(1, 60); n > 0; --n) {
          Inject(sensor, HalfOpen(AnyHost(), place.address, campus_.now()));
        }
        break;
      case 3:  // a crowd of new ones
        for (size_t n = dice_.Between(50, 400); n > 0; --n) {
          const std::array<uint8_t, 4> address = {203, static_cast<uint8_t>(dice_.Between(1, 5)),
                                                  static_cast<uint8_t>(dice_.Between(0, 255)),
                                                  static_cast<uint8_t>(n)};
          Inject(sensor, Completed(IpAddress::V4(address), place.address, campus_.now()));
        }
        break;
      case 4:
      case 5:
        Break(place);
        break;
      case 6:
        campus_.black_hole = nullptr;
        break;
      case 7:
        place.stream_up = !place.stream_up;
        break;
      case 8:
        place.process_up ? campus_.KillSensor(sensor) : campus_.StartSensor(sensor);
        break;
      case 9:
        place.gateway_up = !place.gateway_up;
        break;
      case 10:
        place.loss = dice_.OneIn(2) ? dice_.Share() / 2 : 0;
        break;
      default:
        place.drops_icmp = !place.drops_icmp;
        break;
    }
  }

 private:
  void Inject(size_t sensor, Record record) { campus_.Inject(sensor, {std::move(record)}); }
  IpAddress AnyHost() {
    return campus_.remotes()[dice_.Between(0, campus_.remotes().size() - 1)].address;
  }
  // A group cannot reach a whole prefix, every other host, or anybody.
  void Break(const sim::Place& accuser) {
    static constexpr ProbeState kSays[] = {ProbeState::kSilent, ProbeState::kSilent,
                                           ProbeState::kUnreachable, ProbeState::kTimeExceeded,
                                           ProbeState::kProhibited};
    campus_.black_hole_says = kSays[dice_.Between(0, std::size(kSays) - 1)];
    const bool all_groups = dice_.OneIn(4);
    const size_t how = dice_.Between(0, 2);
    const uint8_t part = static_cast<uint8_t>(dice_.Between(1, 255));
    campus_.black_hole = [group = accuser.group, all_groups, how, part](const sim::Place& place,
                                                                        const sim::Remote& remote) {
      return (all_groups || place.group == group) &&
             (how == 0 || (how == 1 ? Half(remote) : remote.address.bytes().back() < part));
    };
  }

  sim::Campus& campus_;
  Dice& dice_;
};

// A liar says at once, of every round that it is asked for, what it likes.
void MakeLiar(sim::Campus& campus, ScheduleWatch& watch, size_t sensor, bool answered) {
  campus.on_probe = [&campus, &watch, sensor, answered, tell = campus.on_probe](
                        size_t by, const ProbeOrder& order, size_t index) {
    tell(by, order, index);
    if (by == sensor && index == 0) {
      ProbeReport report;
      report.order_id = order.id;
      report.target = order.target;
      report.started_at = campus.now().wall;
      for (const ProbeTry& attempt : order.tries) {
        ProbeTryResult result;
        result.attempt = attempt;
        result.state = answered ? ProbeState::kAnswered : ProbeState::kSilent;
        report.tries.push_back(result);
      }
      campus.Inject(sensor, {report});
    }
  };
}

TEST(Storms, NeitherBudgetNorAlignmentNorDiversityBreaks) {
  size_t rounds = 0;
  size_t staggered = 0;
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(seed);
    Dice dice(seed);
    sim::CampusOptions options;
    options.seed = seed;
    options.attempt_every = std::chrono::seconds(dice.Between(5, 60));
    static constexpr double kRates[] = {0.2, 1, 3, 20, 20, 20, 100};
    options.engine.max_rounds_per_second = kRates[dice.Between(0, std::size(kRates) - 1)];
    options.engine.baseline_interval = std::chrono::seconds(dice.Between(10, 300));
    sim::Campus campus(options);
    const size_t sensors = dice.Between(2, 30);
    AddSensors(campus, sensors, dice.Between(1, std::min<size_t>(sensors, 6)), 0, dice);
    AddHosts(campus, dice.Between(1, 300), dice);
    ScheduleWatch watch(campus, options.engine);
    if (dice.OneIn(2)) {
      MakeLiar(campus, watch, dice.Between(0, sensors - 1), dice.OneIn(2));
    }
    campus.Run(std::chrono::seconds(dice.Between(1, 60)));
    Storm storm(campus, dice);
    for (int strike = 0; strike < 120; ++strike) {
      storm.Strike();
      if (dice.OneIn(40)) {
        campus.RestartCollector();
        watch.OnRestart();
      }
      campus.Run(std::chrono::milliseconds(100 * dice.Between(1, 100)));
    }
    rounds += watch.rounds().size();
    staggered += static_cast<size_t>(
        std::count_if(watch.rounds().begin(), watch.rounds().end(),
                      [](const auto& entry) { return entry.second.staggered; }));
  }
  Tell("%zu rounds, of these %zu from one vantage after the other", rounds, staggered);
  EXPECT_GT(rounds, 5'000u);
}

class Peace : public testing::TestWithParam<uint64_t> {};

// Nothing is wrong, but that some packets are lost.
TEST_P(Peace, CostsATargetTwentyProbesAnHourAtTheMost) {
  Dice dice(GetParam());
  sim::CampusOptions options;
  options.seed = GetParam();
  options.attempt_every = std::chrono::seconds(dice.Between(15, 120));
  sim::Campus campus(options);
  const size_t sensors = dice.Between(2, 50);
  const double loss = GetParam() % 3 == 0 ? 0 : 0.005 * dice.Share();
  AddSensors(campus, sensors, dice.Between(1, std::min<size_t>(sensors, 8)), loss, dice);
  AddHosts(campus, dice.OneIn(3) ? dice.Between(1, 10) : dice.Between(10, 500), dice);
  ScheduleWatch watch(campus, options.engine);
  campus.Run(15min);
  const auto before = watch.probes();
  const uint64_t introduced = watch.rounds().empty() ? 0 : watch.rounds().rbegin()->first;
  campus.Run(1h);
  double remote = 0;
  double first = 0;
  double worst_host = 0;
  for (const auto& [address, probes] : watch.probes()) {
    const auto it = before.find(address);
    const auto then = it == before.end() ? 0 : it->second;
    if (watch.IsRemote(address)) {
      remote += static_cast<double>(probes - then);
      first += static_cast<double>(then);
    } else {
      worst_host = std::max(worst_host, static_cast<double>(probes - then));
    }
  }
  const auto hosts = static_cast<double>(campus.remotes().size());
  Tell(
      "%2zu sensors, %3.0f hosts, loss %.2f %%: %5.1f probes per target-hour (before, in 15 min: "
      "%.1f); to a sensor's host %.0f at the most",
      sensors, hosts, 100 * loss, remote / hosts, first / hosts, worst_host);
  EXPECT_LE(remote / hosts, 20);
  EXPECT_LE(worst_host, 60);
  if (loss == 0) {  // no trigger, no burst
    for (const auto& [id, round] : watch.rounds()) {
      if (id > introduced) {
        EXPECT_EQ(round.sensors.size(), 1u) << round.target.ToString();
        EXPECT_LE(round.orders.front().tries.size(), watch.IsRemote(round.target) ? 2u : 4u);
      }
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Seeds, Peace, testing::Range<uint64_t>(1, 13));

std::map<IpAddress, Duration> Waits(const ScheduleWatch& watch, MonoTime since) {
  std::map<IpAddress, Duration> waits;
  for (const auto& [id, round] : watch.rounds()) {
    if (round.at >= since && watch.IsRemote(round.target) &&
        round.orders.front().tries.size() == 4) {
      waits.try_emplace(round.target, round.at - since);
    }
  }
  return waits;
}

TEST(Fairness, OfEquallyUrgentOnesNoneWaitsMuchLongerThanTwiceTheMean) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE(seed);
    Dice dice(seed);
    sim::CampusOptions options;
    options.seed = seed;
    options.engine.max_rounds_per_second = static_cast<double>(dice.Between(2, 40));
    sim::Campus campus(options);
    AddSensors(campus, dice.Between(2, 12), 2, 0, dice);
    const size_t hosts = dice.Between(20, 300);
    campus.AddRemotes(hosts);
    ScheduleWatch watch(campus, options.engine);
    campus.Run(10min);
    const MonoTime since = campus.now().mono;
    for (const sim::Remote& remote : campus.remotes()) {
      const size_t sensor = dice.Between(0, campus.sensors().size() - 1);
      campus.Inject(sensor,
                    {HalfOpen(remote.address, campus.sensors()[sensor].address, campus.now())});
    }
    campus.Run(std::chrono::seconds(30 + 2 * hosts));
    const auto waits = Waits(watch, since);
    ASSERT_EQ(waits.size(), hosts);
    Duration sum{};
    Duration longest{};
    for (const auto& [target, wait] : waits) {
      sum += wait;
      longest = std::max(longest, wait);
    }
    const Duration mean = sum / static_cast<int64_t>(hosts);
    Tell("%3zu targets at once, %2.0f rounds/s: %.1f s on average, %.1f s at the most", hosts,
         options.engine.max_rounds_per_second, ToSeconds(mean), ToSeconds(longest));
    EXPECT_LE(longest, 2 * mean + 3s);
  }
}

TEST(Fairness, TheTrickleGoesOnHoweverLongTheBursts) {
  Dice dice(1);
  sim::CampusOptions options;
  options.engine.max_rounds_per_second = 5;
  options.engine.baseline_interval = 20s;  // more than there is room for
  sim::Campus campus(options);
  AddSensors(campus, 6, 3, 0, dice);
  campus.AddRemotes(300);
  ScheduleWatch watch(campus, options.engine);
  campus.Run(10min);
  const MonoTime since = campus.now().mono;
  const Duration length = 30min;
  for (Duration done{}; done < length; done += 1s) {
    // New ones all the time, in trouble and as they come.
    for (int n = 0; n < 8; ++n) {
      const size_t sensor = dice.Between(0, 5);
      const std::array<uint8_t, 4> address = {203, static_cast<uint8_t>(dice.Between(0, 255)),
                                              static_cast<uint8_t>(dice.Between(0, 255)), 7};
      campus.Inject(
          sensor, {n % 2 == 0 ? HalfOpen(IpAddress::V4(address), campus.sensors()[sensor].address,
                                         campus.now())
                              : Completed(IpAddress::V4(address), campus.sensors()[sensor].address,
                                          campus.now())});
    }
    campus.Run(1s);
  }
  size_t bursts = 0;
  std::map<IpAddress, size_t> trickles;
  for (const auto& [id, round] : watch.rounds()) {
    if (round.at >= since && watch.IsRemote(round.target)) {
      (round.sensors.size() == 1 ? ++trickles[round.target] : ++bursts);
    }
  }
  size_t all = 0;
  for (const auto& [target, times] : trickles) {
    all += times;
  }
  const double offered = ToSeconds(length) * options.engine.max_rounds_per_second;
  Tell("half an hour of bursts: %.0f %% of the rounds, the trickle %.1f %%",
       100 * static_cast<double>(bursts) / offered, 100 * static_cast<double>(all) / offered);
  EXPECT_GE(static_cast<double>(bursts), 0.8 * offered);
  EXPECT_GE(static_cast<double>(all), 0.04 * offered);
}

}  // namespace
}  // namespace parallax::collector
