// The seed incident and its relatives.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/collector/detect/world.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

bool IsOpen(const sim::Campus& campus) {
  return !campus.store().incidents().empty();
}

TEST(Rogue, OneIncident) {
  std::vector<double> times;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    WorldOptions options;
    options.seed = seed;
    options.loss = seed % 2 == 0 ? 0.005 : 0;
    World campus(options);
    campus.Run(5min);
    campus.black_hole = RogueAt("mail");
    ASSERT_TRUE(campus.RunUntil([&] { return IsOpen(campus); }, 2min));
    times.push_back(ToSeconds(campus.now().mono - *campus.first_affected));
    campus.Run(5min);
    ASSERT_EQ(campus.store().incidents().size(), 1u) << testing::PrintToString(Story(campus));
    const IncidentRecord incident = campus.store().incidents().begin()->second;
    EXPECT_EQ(incident.verdict, Verdict::kRouteAnomaly);
    EXPECT_EQ(incident.state, IncidentState::kOpen);
    EXPECT_EQ(incident.direction, "outbound");
    EXPECT_EQ(incident.family, "both");
    EXPECT_THAT(incident.failing_sensors, ElementsAre("mail1"));
    EXPECT_THAT(incident.reaching_sensors, ElementsAre("library1", "noc1", "web1"));
    EXPECT_EQ(FailingIn(incident), Telling(campus, Half)) << seed;
    campus.black_hole = nullptr;
    campus.Run(4min);
    EXPECT_THAT(Story(campus),
                ElementsAre("INC-1 route_anomaly opened", "INC-1 route_anomaly monitoring",
                            "INC-1 route_anomaly closed"));
  }
  std::sort(times.begin(), times.end());
  Tell("rogue, warm: first affected SYN to opened p50 %.1f s, p95 %.1f s", times[10], times[18]);
}

}  // namespace
}  // namespace parallax::collector
