#include "tests/sim/baselines/watch.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "sensor/probe/wire/packet.h"
#include "tests/sim/baselines/ring_sqa.h"
#include "tests/sim/baselines/taitao.h"
#include "tests/sim/baselines/three_misses.h"
#include "tests/sim/dice.h"
#include "tests/sim/stage.h"

namespace parallax::sim {
namespace {

using namespace std::chrono_literals;

constexpr Duration kMore = 10min;
constexpr Duration kSilence = 60s;
constexpr uint16_t kUdpPort = 5000;

// Without what concerns Parallax's own processes, and without floods, which no ping notices.
Scenario OnlyTheNetwork(const Scenario& scenario) {
  Scenario result = scenario;
  for (ScenarioFault& fault : result.faults) {
    switch (fault.kind) {
      case FaultKind::kSensor:
      case FaultKind::kCollector:
      case FaultKind::kFlood:
      case FaultKind::kClock:
      case FaultKind::kLiar:
        fault.times = 0;
        break;
      default:
        break;
    }
  }
  return result;
}

class View : public PingView {
 public:
  View(Stage& stage, const Scenario& scenario) : stage_(stage) {
    for (const ScenarioSensor& sensor : scenario.sensors) {
      Eye eye;
      eye.node = stage.At(sensor.name);
      for (const IpAddress& address : sensor.addresses) {
        (address.is_v4() ? eye.v4 : eye.v6) = address;
      }
      for (const ScenarioFault& fault : scenario.faults) {
        if (fault.kind == FaultKind::kLiar && fault.node == sensor.name) {
          eye.liar = &fault;
        }
      }
      eyes_.push_back(eye);
    }
    std::set<IpAddress> seen;
    const std::vector<Remote>& remotes = stage.world().remotes();
    for (size_t i = 0; i < remotes.size(); ++i) {
      if (seen.insert(remotes[i].address).second) {
        targets_.push_back(i);
      }
    }
  }

  size_t sensors() const override { return eyes_.size(); }
  size_t targets() const override { return targets_.size(); }
  bool CanPing(size_t sensor, size_t target) const override {
    const bool v4 = stage_.world().remotes()[targets_[target]].address.is_v4();
    return (v4 ? eyes_[sensor].v4 : eyes_[sensor].v6).has_value();
  }
  bool Ping(size_t sensor, size_t target) override {
    const Remote& remote = stage_.world().remotes()[targets_[target]];
    const uint8_t protocol =
        remote.address.is_v4() ? sensor::kProtocolIcmp : sensor::kProtocolIcmpv6;
    const auto id = static_cast<uint16_t>(1000 + sensor);
    return Answers(sensor, remote, protocol, id, id, remote.icmp);
  }
  bool PingUdp(size_t sensor, size_t target) override {
    const Remote& remote = stage_.world().remotes()[targets_[target]];
    return Answers(sensor, remote, sensor::kProtocolUdp, kUdpPort, kUdpPort, remote.udp);
  }
  // Since the scenario began; before that it is in peace.
  void SetTime(Duration since) { since_ = since; }

 private:
  bool Answers(size_t sensor, const Remote& remote, uint8_t protocol, uint16_t from_port,
               uint16_t to_port, bool willing) {
    const Eye& eye = eyes_[sensor];
    if (eye.liar != nullptr && since_ >= eye.liar->at) {
      return eye.liar->lie == Lie::kAnswered;
    }
    const auto& source = remote.address.is_v4() ? eye.v4 : eye.v6;
    if (!source) {
      return false;
    }
    Network& network = stage_.world().network();
    const Passage out = network.Carry({*source, remote.address, protocol, from_port, to_port},
                                      eye.node, stage_.world().now().mono);
    if (out.end != End::kDelivered || !willing || !remote.alive) {
      return false;
    }
    const Passage back =
        network.Carry({remote.address, *source, protocol, to_port, from_port}, out.node, out.at);
    return back.end == End::kDelivered && back.node == eye.node;
  }

  // A sensor's host.
  struct Eye {
    NodeId node = 0;
    std::optional<IpAddress> v4;
    std::optional<IpAddress> v6;
    const ScenarioFault* liar = nullptr;  // if it is one, some day
  };
  Stage& stage_;
  std::vector<Eye> eyes_;
  std::vector<size_t> targets_;  // one remote of each address
  Duration since_{};
};

struct Episode {
  Claim claim;
  Duration from{};
  Duration until{};
};

// What a claim could mean.
bool Covers(Claim claim, const ScenarioExpectation& expected) {
  static const std::set<std::string> kPartly = {"route_anomaly", "mixed", "lossy_path"};
  static const std::set<std::string> kWholly = {"border_outage", "target_down"};
  static const std::set<std::string> kOwn = {"sensor_isolated", "sensor_degraded"};
  const std::string& verdict = expected.verdict;
  switch (claim) {
    case Claim::kNode:
      return kPartly.contains(verdict) || kWholly.contains(verdict) || kOwn.contains(verdict);
    case Claim::kDown:
      return kPartly.contains(verdict) || kWholly.contains(verdict);
    case Claim::kPartial:
      return kPartly.contains(verdict);
    case Claim::kOutage:
      return kWholly.contains(verdict);
  }
  return false;
}

RunScore ScoreEpisodes(const std::vector<Episode>& episodes, const Scenario& scenario) {
  RunScore score;
  for (const ScenarioExpectation& expected : scenario.expected) {
    if (expected.optional) {
      continue;
    }
    const auto found = std::find_if(episodes.begin(), episodes.end(), [&](const Episode& episode) {
      return episode.from >= expected.after && Covers(episode.claim, expected);
    });
    Met met;
    met.found = found != episodes.end();
    met.to_open = met.found ? found->from - expected.after : 0s;
    score.met.push_back(std::move(met));
  }
  for (const Episode& episode : episodes) {
    const bool right =
        std::any_of(scenario.expected.begin(), scenario.expected.end(),
                    [&](const ScenarioExpectation& expected) {
                      return episode.from >= expected.after && Covers(episode.claim, expected);
                    });
    if (!right) {
      collector::IncidentRecord record;
      record.number = score.unexpected.size() + 1;
      record.opened_at = WallTime(episode.from);
      record.summary = ToString(episode.claim);
      score.unexpected.push_back(std::move(record));
    }
  }
  return score;
}

}  // namespace

std::string_view ToString(Claim claim) {
  switch (claim) {
    case Claim::kNode:
      return "a node cannot reach many others";
    case Claim::kDown:
      return "a target is down";
    case Claim::kPartial:
      return "a target is reached by some";
    case Claim::kOutage:
      return "a target is reached by nobody";
  }
  return "";
}

std::vector<std::unique_ptr<Baseline>> AllBaselines() {
  std::vector<std::unique_ptr<Baseline>> all;
  all.push_back(std::make_unique<RingSqa>());
  all.push_back(std::make_unique<ThreeMisses>());
  all.push_back(std::make_unique<Taitao>());
  return all;
}

RunScore Watch(Baseline& baseline, const Scenario& scenario, uint64_t seed) {
  const Scenario network = OnlyTheNetwork(scenario);
  Stage stage(network, seed);
  stage.world().network().Converge();
  View view(stage, scenario);
  const bool cold = std::any_of(scenario.faults.begin(), scenario.faults.end(),
                                [](const ScenarioFault& fault) { return fault.at == 0s; });
  // Its minutes do not begin with ours.
  const Duration step = baseline.step();
  const Duration phase = Dice(seed).Time(0s, 1min);
  const auto steps = cold ? 0 : baseline.warm_up() / step + phase / step;
  for (auto left = steps; left > 0; --left) {
    view.SetTime(phase % step - left * step);
    baseline.Step(view);
    stage.world().Run(step);
  }
  stage.PlanFaults();
  std::vector<Episode> episodes;
  std::map<Claim, size_t> current;
  for (Duration at = phase % step; at <= scenario.length + kMore; at += step) {
    stage.world().Run(at < step ? at : step);
    view.SetTime(at);
    baseline.Step(view);
    for (const Claim claim : baseline.claims()) {
      const auto it = current.find(claim);
      if (it == current.end() || at - episodes[it->second].until > kSilence) {
        current[claim] = episodes.size();
        episodes.push_back({claim, at, at});
      }
      episodes[current[claim]].until = at;
    }
  }
  RunScore score = ScoreEpisodes(episodes, scenario);
  score.seed = seed;
  return score;
}

}  // namespace parallax::sim
