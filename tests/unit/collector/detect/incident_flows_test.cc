// Sensors that lose flows to an incident's hosts, though their probes get through.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/collector/detect/incident_world.h"

namespace parallax::collector {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

class IncidentFlowsTest : public IncidentWorld {
 protected:
  uint64_t SerialOf(const SensorName& accuser) {
    for (const IncidentView& view : book_.Views()) {
      for (const auto& member : view.members) {
        if (member.failing == std::vector<SensorName>{accuser}) {
          return view.serial;
        }
      }
    }
    ADD_FAILURE() << accuser << " accuses in no incident alone";
    return 0;
  }
  void SaySplit(uint64_t serial, const char* split) {
    Explanation said;
    said.split = split;
    book_.Explain(serial, said);
  }
  // Two groups, each with hosts of its own that it misses.
  void OpenTwo() {
    OpenSplit(kOne, {"a"}, {"b", "c"});
    OpenSplit(kTwo, {"b"}, {"a", "c"});
    Pass(1min);
    Split(kTwo, {"b"}, {"a", "c"});
    Pass(1s);
  }
};

TEST_F(IncidentFlowsTest, ASensorThatLosesFlowsFailsWhateverItsProbesFind) {
  OpenSplit(kOne, {"a"}, {"b", "c"});
  book_.LosesFlows(SerialOf("a"), "b");
  Pass(2s);
  EXPECT_THAT(latest_[1].failing_sensors, ElementsAre("a", "b"));
  EXPECT_THAT(latest_[1].reaching_sensors, ElementsAre("c"));
  EXPECT_EQ(latest_[1].evidence[kByFlow], "b");
  Split(kOne, {"a"}, {"b", "c"});
  Pass(2s);
  EXPECT_THAT(latest_[1].failing_sensors, ElementsAre("a", "b"));
  Split(kOne, {"a", "b"}, {"c"});
  Pass(2s);
  EXPECT_FALSE(latest_[1].evidence.contains(kByFlow)) << "now its probes miss them as well";
}

TEST_F(IncidentFlowsTest, WhatItsDepartmentAccusesIsTheSameTrouble) {
  OpenTwo();
  ASSERT_THAT(told_, ElementsAre("INC-1 opened", "INC-2 opened"));
  SaySplit(SerialOf("a"), "per_flow");
  SaySplit(SerialOf("b"), "per_flow");
  book_.LosesFlows(SerialOf("a"), "b");
  Pass(2s);
  EXPECT_THAT(told_, ElementsAre("INC-1 opened", "INC-2 opened", "INC-2 closed"));
  EXPECT_THAT(latest_[1].failing_sensors, ElementsAre("a", "b"));
  EXPECT_EQ(latest_[1].targets.size(), 2U);
}

TEST_F(IncidentFlowsTest, HostsThatFailItAsAWholeMayHaveAnotherCause) {
  OpenTwo();
  SaySplit(SerialOf("a"), "per_flow");
  SaySplit(SerialOf("b"), "per_destination");
  book_.LosesFlows(SerialOf("a"), "b");
  Pass(2s);
  EXPECT_THAT(told_, ElementsAre("INC-1 opened", "INC-2 opened"));
}

TEST_F(IncidentFlowsTest, OneThatIsDiscreditedIsHeldAgainstNobody) {
  OpenSplit(kOne, {"a"}, {"b", "c"});
  book_.LosesFlows(SerialOf("a"), "b");
  book_.Discredit("b");
  Pass(2s);
  Split(kOne, {"a"}, {"b", "c"});
  Pass(2s);
  EXPECT_THAT(latest_[1].failing_sensors, ElementsAre("a"));
}

TEST_F(IncidentFlowsTest, IsKnownAfterARestart) {
  OpenSplit(kOne, {"a"}, {"b", "c"});
  SaySplit(SerialOf("a"), "per_flow");
  book_.LosesFlows(SerialOf("a"), "b");
  Pass(2s);
  book_ = IncidentBook(IncidentOptions{}, 1);
  book_.Restore(latest_[1], {{kOne, {"a"}}}, now_);
  Split(kOne, {"a"}, {"b", "c"});
  Pass(2s);
  Split(kOne, {"a"}, {"c"});
  Pass(2s);
  EXPECT_THAT(latest_[1].failing_sensors, ElementsAre("a", "b"));
}

TEST_F(IncidentFlowsTest, OfAnIncidentThatIsOverNothingIsLearnt) {
  OpenSplit(kOne, {"a"}, {"b"});
  const uint64_t serial = SerialOf("a");
  book_.Cleared(kOne, now_);
  Pass(3min);
  ASSERT_THAT(told_, Contains("INC-1 closed"));
  book_.LosesFlows(serial, "b");
  Pass(2s);
  EXPECT_THAT(latest_[1].failing_sensors, Not(Contains("b")));
}

}  // namespace
}  // namespace parallax::collector
