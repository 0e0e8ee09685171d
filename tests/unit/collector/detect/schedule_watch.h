// Looks over the scheduler's shoulder: checks all that a campus's engine orders, as it orders it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/sim/campus.h"

namespace parallax::collector {

class ScheduleWatch {
 public:
  // The campus must outlive it, and have its engine made with these options.
  ScheduleWatch(sim::Campus& campus, const EngineOptions& options)
      : campus_(campus), options_(options), level_(Depth()), filled_(campus.now().mono) {
    campus_.on_actions = [this](const Actions& actions) { OnActions(actions); };
    campus_.on_probe = [this](size_t sensor, const ProbeOrder& order, size_t index) {
      OnProbe(sensor, order, index);
    };
  }
  ~ScheduleWatch() {
    campus_.on_actions = nullptr;
    campus_.on_probe = nullptr;
  }
  ScheduleWatch(const ScheduleWatch&) = delete;
  ScheduleWatch& operator=(const ScheduleWatch&) = delete;

  // Another engine: with a full bucket, like any other.
  void OnRestart() { level_ = Depth(); }

  struct Round {
    MonoTime at{};
    IpAddress target;
    std::vector<size_t> sensors;
    std::vector<ProbeOrder> orders;  // of each
    bool staggered = false;
  };
  const std::map<uint64_t, Round>& rounds() const { return rounds_; }
  const std::map<IpAddress, uint64_t>& probes() const { return probes_; }  // by target
  size_t traces() const { return traces_; }

  // Is it about a remote host, or about a sensor's own?
  bool IsRemote(const IpAddress& target) const {
    return std::none_of(campus_.sensors().begin(), campus_.sensors().end(),
                        [&](const sim::Place& place) { return place.address == target; });
  }

 private:
  double Depth() const { return std::max(1.0, options_.max_rounds_per_second); }

  void OnActions(const Actions& actions) {
    const MonoTime now = campus_.now().mono;
    std::map<uint64_t, Round> begun;
    for (const SensorOrders& to : actions.orders) {
      const auto place = std::find_if(campus_.sensors().begin(), campus_.sensors().end(),
                                      [&](const sim::Place& p) { return p.name == to.sensor; });
      ASSERT_NE(place, campus_.sensors().end());
      for (const Order& any : to.orders) {
        if (const auto* order = std::get_if<ProbeOrder>(&any)) {
          Round& round = begun[order->id];
          round.at = now;
          round.target = order->target;
          round.sensors.push_back(static_cast<size_t>(place - campus_.sensors().begin()));
          round.orders.push_back(*order);
        } else {
          ++traces_;
        }
      }
    }
    // A bucket that this holds for is never overdrawn in any window, however long.
    level_ = std::min(Depth(), level_ + ToSeconds(now - filled_) * options_.max_rounds_per_second);
    filled_ = now;
    level_ -= static_cast<double>(begun.size());
    EXPECT_GE(level_, -1e-6) << begun.size() << " rounds at once, " << ToSeconds(now - MonoTime{});
    for (auto& [id, round] : begun) {
      EXPECT_FALSE(rounds_.contains(id)) << "a round begins once";
      CheckRound(round);
      rounds_.emplace(id, std::move(round));
    }
  }

  void CheckRound(Round& round) {
    EXPECT_LE(round.sensors.size(), options_.max_vantages_per_round);
    EXPECT_EQ(std::set<size_t>(round.sensors.begin(), round.sensors.end()).size(),
              round.sensors.size());
    const ProbeOrder& first = round.orders.front();
    for (const ProbeOrder& order : round.orders) {
      EXPECT_EQ(order.target, round.target);
      EXPECT_EQ(order.spacing, first.spacing);
      EXPECT_EQ(order.timeout, first.timeout);
      EXPECT_EQ(order.tries.size(), first.tries.size());
      EXPECT_FALSE(order.tries.empty());
      EXPECT_LE(order.tries.size(), kMaxTries);
      round.staggered |= order.start_after != Duration{};
    }
    if (round.sensors.size() < 2) {
      return;
    }
    std::set<std::string> asked;
    std::set<std::string> eligible;
    for (const size_t sensor : round.sensors) {
      asked.insert(campus_.sensors()[sensor].group);
    }
    const VantageBook& vantages = campus_.engine().vantages();
    for (VantageId id = 0; id < vantages.size(); ++id) {
      if (vantages.Eligible(id, round.target.family(), campus_.now().mono)) {
        eligible.insert(vantages.At(id).record.group);
      }
    }
    const bool recheck = first.tries.size() == 2;  // whose members nobody may have reached
    if (IsRemote(round.target) && !recheck && eligible.size() > 1) {
      EXPECT_GT(asked.size(), 1u) << round.sensors.size() << " sensors, all of " << *asked.begin();
    }
  }

  void OnProbe(size_t sensor, const ProbeOrder& order, size_t index) {
    ++probes_[order.target];
    const auto round = rounds_.find(order.id);
    ASSERT_NE(round, rounds_.end());
    ASSERT_NE(std::find(round->second.sensors.begin(), round->second.sensors.end(), sensor),
              round->second.sensors.end());
    if (round->second.staggered) {
      return;  // on purpose, and so that none of them is asked at the same time
    }
    const MonoTime now = campus_.now().mono;
    const auto [first, is_first] = sent_.try_emplace({order.id, index}, now);
    EXPECT_LE(now - first->second, std::chrono::milliseconds(250));
  }

  sim::Campus& campus_;
  const EngineOptions options_;
  double level_;
  MonoTime filled_;
  std::map<uint64_t, Round> rounds_;
  std::map<IpAddress, uint64_t> probes_;
  std::map<std::pair<uint64_t, size_t>, MonoTime> sent_;
  size_t traces_ = 0;
};

}  // namespace parallax::collector
