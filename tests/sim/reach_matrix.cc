#include "tests/sim/reach_matrix.h"

#include <algorithm>

#include "sensor/probe/wire/packet.h"

namespace parallax::sim {
namespace {

constexpr uint16_t kFlows = 8;
constexpr uint16_t kClientPort = 40000;
constexpr uint16_t kServerPort = 443;
constexpr uint16_t kStreamPort = 7400;
constexpr int kTries = 4;

class Looker {
 public:
  explicit Looker(Stage& stage) : stage_(stage), network_(stage.world().network()) {}

  ReachMatrix Look() {
    const Scenario& scenario = stage_.scenario();
    for (const ScenarioSensor& sensor : scenario.sensors) {
      std::vector<std::optional<Reachability>> row;
      for (const Remote& remote : stage_.world().remotes()) {
        row.push_back(Between(sensor, remote));
      }
      matrix_.cells.push_back(std::move(row));
      matrix_.heard.push_back(IsHeard(sensor));
    }
    return std::move(matrix_);
  }

 private:
  static const IpAddress* Of(const std::vector<IpAddress>& addresses, Family family) {
    const auto it = std::find_if(addresses.begin(), addresses.end(),
                                 [&](const IpAddress& a) { return a.family() == family; });
    return it != addresses.end() ? &*it : nullptr;
  }
  Passage Send(NodeId from, const IpAddress& source, uint16_t source_port, const IpAddress& to,
               uint16_t port) {
    return network_.Carry({source, to, sensor::kProtocolTcp, source_port, port}, from,
                          stage_.world().now().mono);
  }

  std::optional<Reachability> Between(const ScenarioSensor& sensor, const Remote& remote) {
    const IpAddress* const own = Of(sensor.addresses, remote.address.family());
    if (own == nullptr) {
      return std::nullopt;
    }
    const NodeId node = stage_.At(sensor.name);
    Reachability sum;
    for (uint16_t flow = 0; flow < kFlows; ++flow) {
      const uint16_t port = kClientPort + flow;
      const Passage out = Send(node, *own, port, remote.address, kServerPort);
      const Passage in = Send(remote.node, remote.address, kServerPort, *own, port);
      const bool there = out.end == End::kDelivered && remote.alive;
      const bool back = in.end == End::kDelivered && in.node == node && remote.alive;
      sum.out += there ? 1 : 0;
      sum.in += back ? 1 : 0;
      sum.both += there && back ? 1 : 0;
      if (out.end != End::kDelivered) {
        NoteLoss(out);
      }
    }
    return Reachability{sum.out / kFlows, sum.in / kFlows, sum.both / kFlows};
  }

  void NoteLoss(const Passage& passage) {
    const NodeId node = passage.node;
    const bool swallowed = !network_.IsNodeUp(node) || !network_.options(node).forwards;
    if (swallowed && passage.by) {
      const NodeId before = network_.OtherEnd(*passage.by, node);
      ++matrix_.lost_at[{network_.NameOf(before), network_.NameOf(node)}];
    } else {
      ++matrix_.lost_at[{network_.NameOf(node), ""}];
    }
  }

  bool IsHeard(const ScenarioSensor& sensor) {
    const NodeId node = stage_.At(sensor.name);
    const NodeId collector = stage_.At("collector");
    for (const IpAddress& own : sensor.addresses) {
      const IpAddress* const its = Of(stage_.scenario().collector_addresses, own.family());
      for (int i = 0; its != nullptr && i < kTries; ++i) {
        if (Send(node, own, kStreamPort, *its, kStreamPort).end == End::kDelivered &&
            Send(collector, *its, kStreamPort, own, kStreamPort).end == End::kDelivered) {
          return true;
        }
      }
    }
    return false;
  }

  Stage& stage_;
  Network& network_;
  ReachMatrix matrix_;
};

}  // namespace

bool ReachMatrix::ReachesNothing(size_t sensor) const {
  return std::all_of(cells[sensor].begin(), cells[sensor].end(),
                     [](const auto& cell) { return !cell || cell->both < 0.01; });
}

ReachMatrix Look(Stage& stage) { return Looker(stage).Look(); }

}  // namespace parallax::sim
