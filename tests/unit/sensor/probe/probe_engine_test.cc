#include "sensor/probe/probe_engine.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "tests/unit/sensor/probe/test_answers.h"

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;
using test::Ip;

ProbeOrder Order(uint64_t id) {
  ProbeOrder order;
  order.id = id;
  order.target = Ip("198.51.100.7");
  order.tries = {{ProbeMethod::kIcmpEcho, 0}};
  order.timeout = 1s;
  return order;
}

// Without a policy nothing is sent, no privilege is needed, and every order is answered for.
TEST(ProbeEngine, WithoutAPolicyOrdersAreRefusedWithTheReason) {
  ProbeEngineOptions options;
  options.policy_problem = "policy.toml: gone";
  auto engine = ProbeEngine::Open(std::move(options));
  ASSERT_TRUE(engine) << engine.error().message;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<ProbeReport> reports;
  {
    std::jthread thread([&](std::stop_token stop) {
      (*engine)->Run(
          [&](Record record) {
            std::lock_guard lock(mutex);
            reports.push_back(std::get<ProbeReport>(std::move(record)));
            changed.notify_all();
          },
          stop);
    });
    for (uint64_t id = 1; id <= 100; ++id) {
      EXPECT_TRUE((*engine)->Submit(Order(id)));
    }
    std::unique_lock lock(mutex);
    EXPECT_TRUE(changed.wait_for(lock, 20s, [&] { return reports.size() == 100; }));
  }
  for (size_t i = 0; i < reports.size(); ++i) {
    EXPECT_EQ(reports[i].order_id, i + 1);
    ASSERT_EQ(reports[i].tries.size(), 1u);
    EXPECT_EQ(reports[i].tries[0].state, ProbeState::kRefused);
    EXPECT_EQ(reports[i].tries[0].detail, "policy.toml: gone");
  }
  const ProbeHealth health = (*engine)->Health();
  EXPECT_FALSE(health.probing);
  EXPECT_EQ(health.problem, "policy.toml: gone");
  EXPECT_EQ(health.probes_sent, 0u);
  EXPECT_EQ(health.probes_refused, 100u);
}

TEST(ProbeEngine, MailboxIsBounded) {
  auto engine = ProbeEngine::Open({});
  ASSERT_TRUE(engine);
  size_t taken = 0;
  while (taken < 100'000 && (*engine)->Submit(Order(1))) {
    ++taken;
  }
  EXPECT_EQ(taken, 4096u);
}

TEST(ProbeEngine, FlowKeyIsStableAndTheIdentitysOwn) {
  EXPECT_EQ(StableFlowKey("a"), StableFlowKey("a"));
  EXPECT_NE(StableFlowKey("a"), StableFlowKey("b"));
}

}  // namespace
}  // namespace parallax::sensor
