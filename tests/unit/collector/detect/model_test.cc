#include "collector/detect/model.h"

#include <gtest/gtest.h>

#include <set>

namespace parallax::collector {
namespace {

template <typename Enum, typename Parse>
void RoundTrip(std::initializer_list<Enum> values, Parse parse) {
  std::set<std::string_view> names;
  for (const Enum value : values) {
    EXPECT_EQ(parse(ToString(value)), value) << ToString(value);
    names.insert(ToString(value));
  }
  EXPECT_EQ(names.size(), values.size());
  EXPECT_EQ(parse("nonsense"), std::nullopt);
  EXPECT_EQ(parse(""), std::nullopt);
}

TEST(Model, NamesRoundTrip) {
  RoundTrip(
      {SensorState::kConnected, SensorState::kStopped, SensorState::kLost, SensorState::kIsolated},
      ParseSensorState);
  RoundTrip({Verdict::kUnknown, Verdict::kHealthy, Verdict::kRouteAnomaly, Verdict::kTargetDown,
             Verdict::kSensorIsolated},
            ParseVerdict);
  RoundTrip({EarnedBy::kCompleted, EarnedBy::kRepeatedSyn}, ParseEarnedBy);
  RoundTrip({CellState::kUnknown, CellState::kUp, CellState::kDown, CellState::kLossy,
             CellState::kPolicy},
            ParseCellState);
  RoundTrip({IncidentState::kCandidate, IncidentState::kOpen, IncidentState::kMonitoring,
             IncidentState::kClosed},
            ParseIncidentState);
}

TEST(Model, IncidentIds) {
  EXPECT_EQ(IncidentId(7), "INC-7");
  EXPECT_EQ(ParseIncidentId("INC-7"), 7u);
  EXPECT_EQ(ParseIncidentId("inc-7"), 7u);
  EXPECT_EQ(ParseIncidentId("7"), 7u);
  EXPECT_EQ(ParseIncidentId("18446744073709551615"), UINT64_MAX);
  for (const char* bad : {"", "INC-", "INC-0", "0", "-1", "+1", "7x", " 7", "INC-7 ", "INC--7",
                          "18446744073709551616"}) {
    EXPECT_EQ(ParseIncidentId(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace parallax::collector
