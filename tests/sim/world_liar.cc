// A sensor that lies: it is hostile or badly broken, and says the same of every target. Of the
// rest, its health and the attempts that it sees, it tells the truth.
#include <variant>
#include <vector>

#include "tests/sim/world.h"

namespace parallax::sim {
namespace {

constexpr Duration kInventedRtt = std::chrono::milliseconds(20);

ProbeTryResult Invent(const ProbeTry& attempt, Lie lie, const IpAddress& target) {
  ProbeTryResult result;
  result.attempt = attempt;
  if (lie == Lie::kAnswered) {
    result.state = ProbeState::kAnswered;
    result.rtt = kInventedRtt;
    result.reporter = target;
  }
  return result;
}

}  // namespace

void World::SetLie(size_t i, std::optional<Lie> lie) {
  sensors_[i].lie = lie;
  sensors_[i].ordered.clear();
}

void World::Falsify(SensorHost& host, std::vector<Record>& records) {
  for (Record& record : records) {
    ProbeReport* const report = std::get_if<ProbeReport>(&record);
    const auto order = report != nullptr ? host.ordered.find(report->order_id) : host.ordered.end();
    if (order == host.ordered.end()) {
      continue;
    }
    const std::vector<ProbeTry>& tries = order->second.tries;
    report->tries.clear();
    for (const ProbeTry& attempt : tries) {
      report->tries.push_back(Invent(attempt, *host.lie, report->target));
      if (*host.lie == Lie::kAnswered) {
        break;  // that is where an honest one would have stopped
      }
    }
    host.ordered.erase(order);
  }
}

}  // namespace parallax::sim
