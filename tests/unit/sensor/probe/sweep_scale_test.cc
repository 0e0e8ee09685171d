// Many targets: bounds on memory and on work, fairness, rates, and that each is reported once.
#include <gtest/gtest.h>

#include <cerrno>
#include <random>
#include <set>

#include "sensor/probe/sweep.h"
#include "tests/unit/sensor/probe/sweep_world.h"

namespace parallax::sensor {
namespace {

using namespace test;

// Every kind of host, router, kernel and policy at random.
TEST(SweepScale, EachTargetIsReportedOnceWhateverHappens) {
  struct Case {
    SweepOptions sweep;
    SweepWorld::Options world;
  };
  std::vector<Case> cases(8);
  cases[1].sweep = {.count = 3, .interval = 100ms, .timeout = 350ms};
  cases[2].sweep = {.flows = 5, .timeout = 200ms, .most_in_flight = 40};
  cases[3].sweep = {.flows = 3, .count = 2, .timeout = 200ms};
  cases[4].sweep.most_in_flight = 7;
  cases[4].world.batch = 3;
  cases[5].world.policy = OpenPolicy(500, 60, 2);
  cases[6].world.policy = OpenPolicy(2000, 300, 1);
  cases[6].sweep = {.count = 2, .interval = 10ms, .timeout = 5s, .most_in_flight = 300};
  cases[7].world.ledger_capacity = 50;  // kFull
  cases[7].world.sleep_late = 3ms;
  for (size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(i);
    SweepWorld::Options options = cases[i].world;
    options.policy.deny = PrefixSet({*Prefix::Parse("198.51.2.64/26")});
    SweepWorld world(Targets({"198.51.0.0/22", "2001:db8::/120", "2001:db8:1::7"}), cases[i].sweep,
                     options);
    std::mt19937 random(static_cast<unsigned>(i + 1));
    world.world = [&](const Probe& probe) {
      const auto after = [&] { return std::chrono::microseconds(random() % 1'500'000); };
      const IpAddress router = Ip(probe.target.is_v4() ? "203.0.113.1" : "2001:db8:113::1");
      Fate fate;
      for (auto n = random() % 3; n > 0; --n) {
        switch (random() % 6) {
          case 0:
            fate.replies.push_back({after(), ErrorTo(probe, router, ErrorMeaning::kUnreachable)});
            break;
          case 1:
            fate.replies.push_back({after(), RedirectTo(probe, router, router)});
            break;
          case 2:
            fate.replies.push_back(
                {after(), ErrorTo(probe, probe.target, ErrorMeaning::kProhibited)});
            break;
          default:
            fate.replies.push_back({after(), AnswerTo(probe)});
        }
      }
      fate.send_error = random() % 20 == 0 ? ENOBUFS : 0;
      return fate;
    };
    ASSERT_NO_FATAL_FAILURE(world.Run());
    EXPECT_TRUE(world.sweep.done());
    EXPECT_EQ(world.results.size(), 1024u + 256 + 1);
    EXPECT_EQ(world.by_target.size(), world.results.size());
    EXPECT_LE(world.most_in_flight, cases[i].sweep.most_in_flight);
    EXPECT_EQ(world.ledger.in_flight(), 0u);
    size_t refused = 0;
    uint64_t sent = 0;
    uint64_t received = 0;
    for (const SweepResult& result : world.results) {
      refused += result.state == SweepState::kRefused ? 1 : 0;
      sent += result.sent;
      received += result.received;
      ASSERT_LE(result.received, result.sent);
      ASSERT_LE(result.late + result.received, result.sent);
      const bool asked =
          result.state != SweepState::kRefused && result.state != SweepState::kNotSent;
      ASSERT_EQ(result.flows != nullptr, asked && cases[i].sweep.flows > 1);
      const bool up = result.state == SweepState::kUp || result.state == SweepState::kLossy ||
                      result.state == SweepState::kPartial;
      ASSERT_EQ(up, result.received > 0);
    }
    EXPECT_EQ(refused, 64u);
    EXPECT_EQ(sent, world.sends.size());
    EXPECT_EQ(world.sweep.progress().sent, world.sends.size());
    EXPECT_EQ(world.sweep.progress().received, received);
    EXPECT_EQ(world.sweep.progress().finished, world.results.size());
    for (const Probe& probe : world.sends) {
      ASSERT_FALSE(Prefix::Parse("198.51.2.64/26")->Contains(probe.target));
    }
    // Each call had something to do: an answer, a probe, a time-out, or a wait for a token.
    EXPECT_LE(world.turns, 6 * world.sends.size() + 20'000);
  }
}

TEST(SweepScale, OrderIsSpreadOverTheList) {
  SweepWorld world(Targets({"198.18.0.0/16"}), {.count = 1});
  world.options.policy = OpenPolicy(1e6, 1e6, 1e6);
  Policy policy = OpenPolicy(1e6, 1e6, 1e6);
  std::vector<Prefix> allow = policy.allow.prefixes();
  allow.push_back(*Prefix::Parse("198.18.0.0/15"));
  policy.allow = PrefixSet(allow);
  world.gate.SetPolicy(policy);
  world.Run(1ms);
  ASSERT_GE(world.sends.size(), 500u);
  std::set<IpAddress> prefixes;
  for (size_t i = 0; i < 500; ++i) {
    prefixes.insert(Prefix(world.sends[i].target, 24).address());
  }
  EXPECT_GT(prefixes.size(), 150u);
}

Policy Allowing(Policy policy, const char* prefix) {
  std::vector<Prefix> allow = policy.allow.prefixes();
  allow.push_back(*Prefix::Parse(prefix));
  policy.allow = PrefixSet(allow);
  return policy;
}

TEST(SweepScale, ReachesTheRateWithFewCalls) {
  SweepWorld::Options options;
  options.policy = Allowing(OpenPolicy(10'000, 10'000, 10'000), "198.18.0.0/15");
  options.sleep_late = 200us;
  SweepWorld world(Targets({"198.18.0.0/16"}), {}, options);
  world.world = [](const Probe& probe) { return Answered(probe, 20ms); };
  world.Run();
  ASSERT_EQ(world.results.size(), 65'536u);
  const Duration took = world.times.back() - world.start;
  EXPECT_LE(took, 6620ms);
  EXPECT_GE(took, 6553ms);
  EXPECT_LE(MostInASecond(world.times), 10'000u);
  for (const SweepResult& result : world.results) {
    ASSERT_EQ(result.state, SweepState::kUp);
  }
}

TEST(SweepScale, HundredThousandInFlight) {
  SweepWorld::Options options;
  options.policy = Allowing(OpenPolicy(1e6, 1e6, 1e6), "198.18.0.0/15");
  SweepWorld world(Targets({"198.18.0.0/15"}),
                   {.count = 1, .timeout = 10s, .most_in_flight = 100'000}, options);
  world.world = [](const Probe& probe) {
    return probe.target.bytes()[3] % 2 == 0 ? Answered(probe, 9s) : Fate();
  };
  world.Run();
  EXPECT_EQ(world.most_in_flight, 100'000u);
  EXPECT_EQ(world.results.size(), 131'072u);
  EXPECT_EQ(world.sweep.progress().up, 65'536u);
  EXPECT_EQ(world.ledger.in_flight(), 0u);
}

// Targets that wait between their tries take memory as well.
TEST(SweepScale, UnfinishedTargetsAreBounded) {
  SweepWorld::Options options;
  options.policy = Allowing(OpenPolicy(1e5, 1e5, 1e5), "198.18.0.0/15");
  SweepWorld world(Targets({"198.18.0.0/18"}), {.timeout = 10ms, .most_in_flight = 1000}, options);
  std::set<IpAddress> begun;
  size_t most = 0;
  world.world = [&](const Probe& probe) {
    begun.insert(probe.target);
    most = std::max(most, begun.size() - world.results.size());
    return Fate();
  };
  world.Run();
  EXPECT_EQ(world.results.size(), 16'384u);
  EXPECT_LE(most, 1000u + options.batch);  // results are taken after each batch
  EXPECT_GE(most, 1000u);
}

// One slow /24 among many: it gets its rate, the others do not wait for it, all end.
TEST(SweepScale, FullPrefixesDoNotHoldUpTheOthers) {
  SweepWorld::Options options;
  options.policy = Allowing(OpenPolicy(5000, 20, 20), "198.18.0.0/15");
  // Four whole /24s, and a thousand with one address each.
  TargetList list;
  ASSERT_TRUE(list.Add(*Prefix::Parse("198.51.100.0/24")));
  ASSERT_TRUE(list.Add(*Prefix::Parse("203.0.113.0/24")));
  ASSERT_TRUE(list.Add(*Prefix::Parse("192.0.2.0/24")));
  ASSERT_TRUE(list.Add(*Prefix::Parse("2001:db8::/120")));
  for (uint32_t i = 0; i < 500; ++i) {
    ASSERT_TRUE(list.Add(Prefix(V4(0xc6120001 + (i << 8)), 32)));
  }
  list.Close();
  SweepWorld world(std::move(list), {}, options);
  world.world = [](const Probe& probe) { return Answered(probe, 5ms); };
  world.Run();
  EXPECT_EQ(world.results.size(), 4u * 256 + 500);
  MonoTime last_single = world.start;
  std::map<IpAddress, std::vector<MonoTime>> by_prefix;
  for (size_t i = 0; i < world.sends.size(); ++i) {
    const IpAddress& target = world.sends[i].target;
    by_prefix[Prefix(target, target.is_v4() ? 24 : 64).address()].push_back(world.times[i]);
    if (Prefix::Parse("198.18.0.0/15")->Contains(target)) {
      last_single = std::max(last_single, world.times[i]);
    }
  }
  EXPECT_LE(last_single - world.start, 1s);
  for (const auto& [prefix, times] : by_prefix) {
    ASSERT_LE(MostInASecond(times), 20u);
    if (times.size() == 256) {
      EXPECT_LE(times.back() - times.front(), 12'900ms) << prefix.ToString();  // 255 / 19.94
    }
  }
  EXPECT_LE(world.turns, 6 * world.sends.size());
}

// 65,536 addresses of one /64: the work for each must not grow with those that wait.
TEST(SweepScale, OneFullPrefixOfManyTargets) {
  SweepWorld::Options options;
  options.policy = OpenPolicy(1e6, 2000, 2000);
  SweepWorld world(Targets({"2001:db8::/112", "198.51.100.7"}), {.count = 1}, options);
  world.world = [](const Probe& probe) { return Answered(probe, 5ms); };
  world.Run();
  EXPECT_EQ(world.results.size(), 65'537u);
  EXPECT_LE(world.TimesOf("198.51.100.7").back(), 1s);
  EXPECT_LE(world.times.back() - world.start, 33'200ms);  // 65,536 / 1994 = 32.9 s
  EXPECT_LE(world.turns, 4u * 65'537);
}

// IPv6 addresses that stand for IPv4 hosts lie in one /64, but are limited as those hosts are: each
// /24 gets its rate, and none waits for another's.
TEST(SweepScale, TranslatedTargetsWaitWithTheirIpv4Neighbours) {
  SweepWorld::Options options;
  options.policy = Allowing(OpenPolicy(1000, 5, 5), "64:ff9b::/96");
  TargetList list;
  for (uint8_t i = 0; i < 8; ++i) {  // 8.0.i.0/27
    const IpAddress first = IpAddress::V6(
        std::array<uint8_t, 16>{0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, i});
    ASSERT_TRUE(list.Add(Prefix(first, 123)));
  }
  ASSERT_TRUE(list.Add(*Prefix::Parse("8.0.0.64/27")));
  list.Close();
  SweepWorld world(std::move(list), {}, options);
  world.world = [](const Probe& probe) { return Answered(probe, 5ms); };
  world.Run();
  EXPECT_EQ(world.results.size(), 9u * 32);
  std::map<IpAddress, std::vector<MonoTime>> by_prefix;
  for (size_t i = 0; i < world.sends.size(); ++i) {
    by_prefix[PacedPrefix(world.sends[i].target)].push_back(world.times[i]);
  }
  EXPECT_EQ(by_prefix.size(), 8u);
  for (const auto& [prefix, times] : by_prefix) {
    EXPECT_LE(MostInASecond(times), 5u);
    const auto count = static_cast<double>(times.size());
    EXPECT_EQ(times.size(), prefix == Ip("8.0.0.0") ? 64u : 32u);
    EXPECT_LE(ToSeconds(times.back() - world.start), count / 4.98) << prefix.ToString();
  }
}

// Retries of targets whose /24 is full, silent ones and others mixed: nobody starves.
TEST(SweepScale, NobodyStarvesBehindRetries) {
  SweepWorld::Options options;
  options.policy = OpenPolicy(1000, 50, 5);
  SweepWorld world(Targets({"198.51.100.0/24", "203.0.113.0/24"}), {}, options);
  world.world = [](const Probe& probe) {
    return probe.target.bytes()[3] < 128 ? Fate() : Answered(probe, 5ms);
  };
  world.Run();
  EXPECT_EQ(world.results.size(), 512u);
  for (const SweepResult& result : world.results) {
    const bool live = result.target.bytes()[3] >= 128;
    ASSERT_EQ(result.state, live ? SweepState::kUp : SweepState::kDown);
    ASSERT_EQ(result.sent, live ? 1u : 3u);
  }
  // 512 probes to each /24 at 49.85 a second.
  EXPECT_LE(world.times.back() - world.start, 10'500ms);
}

// --- the ledger is full -------------------------------------------------------------------------

TEST(SweepScale, FullLedgerIsWaitedForWithoutSpinning) {
  SweepWorld::Options options;
  options.ledger_capacity = 10;
  SweepWorld world(Targets({"198.51.100.0/24"}), {}, options);
  // Somebody else has it all.
  std::vector<ProbeSend> others;
  ProbeRequest request;
  std::vector<uint64_t> ids;
  for (uint32_t i = 0; i < 10; ++i) {
    request.target = V4(0x0b000000 + i);
    const GateAnswer answer = world.gate.Ask(request, world.now.mono - 1s + i * 1ms, others);
    ASSERT_EQ(answer.word, GateWord::kSent);
    ids.push_back(answer.probe_id);
  }
  world.world = [](const Probe& probe) { return Answered(probe, 5ms); };
  world.Run(10s);
  EXPECT_TRUE(world.sends.empty());
  EXPECT_LE(world.turns, 1100u);
  for (const uint64_t id : ids) {
    world.ledger.Close(id, world.now.mono);
  }
  world.Run(1s);
  EXPECT_EQ(world.results.size(), 256u);
  EXPECT_EQ(world.sends.size(), 256u);
}

// A target that waits for room in the ledger has its place: what ends meanwhile must not give it
// another, or probes would follow each other faster than `interval`.
TEST(SweepScale, WaitingForRoomKeepsTheInterval) {
  SweepWorld::Options options;
  options.ledger_capacity = 3;
  SweepWorld world(Targets({"198.51.100.7"}), {.count = 6, .interval = 100ms, .timeout = 150ms},
                   options);
  std::vector<ProbeSend> others;
  ProbeRequest request;
  for (uint32_t i = 0; i < 2; ++i) {
    request.target = V4(0x0b000000 + i);
    ASSERT_EQ(world.gate.Ask(request, world.now.mono - 1s + i * 1ms, others).word, GateWord::kSent);
  }
  world.Run(155ms);
  for (const ProbeSend& other : others) {
    world.ledger.Close(other.probe.id, world.now.mono);
  }
  world.Run();
  EXPECT_EQ(world.TimesOf("198.51.100.7"),
            (std::vector<Duration>{0ms, 150ms, 250ms, 350ms, 450ms, 550ms}));
}

}  // namespace
}  // namespace parallax::sensor
