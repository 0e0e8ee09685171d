#include "sensor/observe/timer_wheel.h"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <random>

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

constexpr MonoTime At(Duration d) { return MonoTime(d); }

TEST(TimerWheel, FiresOnceAndNeverEarly) {
  TimerWheel wheel(4, 50ms, 64);
  wheel.Set(2, At(1s), At(0s));
  EXPECT_EQ(wheel.PopDue(At(999ms)), std::nullopt);
  EXPECT_EQ(wheel.PopDue(At(1050ms)), 2u);
  EXPECT_EQ(wheel.PopDue(At(5s)), std::nullopt);
  EXPECT_EQ(wheel.armed(), 0u);
}

TEST(TimerWheel, SettingAgainReplacesAndCancelRemoves) {
  TimerWheel wheel(4, 50ms, 64);
  wheel.Set(0, At(1s), At(0s));
  wheel.Set(1, At(1s), At(0s));
  wheel.Set(2, At(1s), At(0s));
  wheel.Set(0, At(2s), At(0s));
  wheel.Cancel(1);
  wheel.Cancel(1);
  wheel.Cancel(3);
  EXPECT_EQ(wheel.PopDue(At(1500ms)), 2u);
  EXPECT_EQ(wheel.PopDue(At(1500ms)), std::nullopt);
  EXPECT_EQ(wheel.PopDue(At(2500ms)), 0u);
}

TEST(TimerWheel, TimersBeyondOneTurnWait) {
  TimerWheel wheel(2, 50ms, 16);  // one turn is 800 ms
  wheel.Set(0, At(10s), At(0s));
  wheel.Set(1, At(700ms), At(0s));
  for (Duration t = 0ms; t < 10s; t += 40ms) {
    const auto item = wheel.PopDue(At(t));
    if (item) {
      EXPECT_EQ(*item, 1u);
    }
  }
  EXPECT_EQ(wheel.PopDue(At(10100ms)), 0u);
}

TEST(TimerWheel, TimeMayJumpEitherWay) {
  TimerWheel wheel(2, 50ms, 16);
  wheel.Set(0, At(-3h), At(-4h));  // before the epoch of the clock
  EXPECT_EQ(wheel.PopDue(At(1000000h)), 0u);
  wheel.Set(1, At(2s), At(1s));
  EXPECT_EQ(wheel.PopDue(At(-5s)), std::nullopt);
  EXPECT_EQ(wheel.PopDue(At(3s)), 1u);
}

// Against an obvious implementation, with random operations.
TEST(TimerWheel, AgreesWithASortedMap) {
  std::mt19937 random(7);
  TimerWheel wheel(100, 50ms, 32);
  std::map<uint32_t, MonoTime> model;
  MonoTime now = At(100s);
  for (int step = 0; step < 20000; ++step) {
    const auto item = static_cast<uint32_t>(random() % 100);
    if (random() % 4 == 0) {
      wheel.Cancel(item);
      model.erase(item);
    } else {
      const MonoTime due = now + std::chrono::milliseconds(random() % 5000);
      wheel.Set(item, due, now);
      model[item] = due;
    }
    now += std::chrono::milliseconds(random() % 30);
    while (const auto fired = wheel.PopDue(now)) {
      ASSERT_TRUE(model.contains(*fired));
      ASSERT_LE(model[*fired], now);
      model.erase(*fired);
    }
    for (const auto& [left, due] : model) {
      ASSERT_GT(due + 100ms, now) << left << " is late";
    }
    ASSERT_EQ(wheel.armed(), model.size());
  }
}

// A damaged capture may jump by a hundred years: that must not cost a hundred years of ticks.
TEST(TimerWheel, JumpsOfDecadesCostNoMoreThanATurn) {
  using std::chrono::years;
  std::mt19937 random(8);
  TimerWheel wheel(64, 50ms, 32);
  for (int round = 0; round < 2000; ++round) {
    const MonoTime then = At(std::chrono::duration_cast<Duration>(years(random() % 100)));
    const MonoTime now = At(std::chrono::duration_cast<Duration>(years(random() % 100)));
    for (uint32_t item = 0; item < 64; ++item) {
      wheel.Set(item, then + std::chrono::milliseconds(random() % 5000), now);
    }
    size_t fired = 0;
    while (wheel.PopDue(At(std::chrono::duration_cast<Duration>(years(101))))) {
      ++fired;
    }
    ASSERT_EQ(fired, 64u);
  }
}

}  // namespace
}  // namespace parallax::sensor
