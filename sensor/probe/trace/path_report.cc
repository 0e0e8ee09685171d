#include "sensor/probe/trace/path_report.h"

namespace parallax::sensor {
namespace {

constexpr uint8_t kMaxTtl = 30;
static_assert(kMaxTtl <= kMaxHops);
constexpr uint16_t kProbesPerHop = 1;
constexpr uint8_t kGapLimit = 4;
constexpr Duration kPatience = std::chrono::seconds(2);

}  // namespace

TraceOrder TraceOf(const PathOrder& order) {
  TraceOrder trace;
  trace.id = order.id;
  trace.target = order.target;
  trace.attempt = order.attempt;
  trace.options.max_ttl = kMaxTtl;
  trace.options.probes = kProbesPerHop;
  trace.options.gap_limit = kGapLimit;
  trace.options.patience = kPatience;
  return trace;
}

PathReport ReportOf(const TraceResult& result) {
  const Path& path = result.path;
  PathReport report;
  report.order_id = result.order_id;
  report.target = path.target;
  report.attempt = path.attempt;
  report.started_at = result.started_at;
  report.age = result.took;
  report.end = path.end;
  if (path.reporter) {
    report.reporter = path.reporter->router;
  }
  report.changed = path.changed;
  for (size_t i = 0, hops = path.ForwardingHops(); i < hops; ++i) {
    auto& routers = report.hops.emplace_back();
    for (const PathNode& node : path.hops[i].nodes) {
      if (routers.size() < kMaxRoutersPerHop) {
        routers.push_back(node.address);
      }
    }
  }
  return report;
}

PathReport RefusedReport(const PathOrder& order, const Moment& now) {
  PathReport report;
  report.order_id = order.id;
  report.target = order.target;
  report.attempt = order.attempt;
  report.started_at = now.wall;
  report.end = TraceEnd::kRefused;
  return report;
}

}  // namespace parallax::sensor
