#include "collector/detect/suspect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <tuple>
#include <utility>

#include "collector/detect/explain.h"
#include "tests/unit/collector/detect/observed_paths.h"

namespace parallax::collector {
namespace {

using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;

ObservedPath Way(const SensorName& sensor, const std::string& group, std::string_view target,
                 bool failing, std::string_view hops) {
  ObservedPath path;
  path.sensor = sensor;
  path.group = group;
  path.target = At(target);
  path.failing = failing;
  path.reached = !failing;
  path.hops = Hops(hops);
  if (path.reached) {
    path.hops.push_back(path.target);
  }
  return path;
}

IncidentView ViewOf(const std::vector<SensorName>& failing,
                    const std::vector<SensorName>& reaching) {
  IncidentView view;
  view.basis = view.verdict = Verdict::kRouteAnomaly;
  view.members.push_back({At("a"), failing, reaching, {}});
  return view;
}

TEST(Suspect, ARogueIsNamedWithWhatItTookThePlaceOf) {
  const auto said = ExplainPaths(
      ViewOf({"mail"}, {"web"}),
      {Way("mail", "physics", "a", true, "R X"), Way("mail", "physics", "b", true, "R X"),
       Way("mail", "physics", "c", false, "R C B"), Way("web", "library", "a", false, "L C B")});
  ASSERT_TRUE(said);
  ASSERT_TRUE(said->suspect);
  EXPECT_EQ(said->suspect->from, At("R").ToString());
  EXPECT_EQ(said->suspect->to, At("X").ToString());
  EXPECT_EQ(said->suspect->confidence, "likely");
  EXPECT_EQ(said->evidence.at(kSuspectWordOf), "mail");
  EXPECT_EQ(said->evidence.at(kSuspectInsteadOf), At("C").ToString());
  EXPECT_THAT(said->evidence.at("suspect_1"), HasSubstr("2 of 2 ways"));
}

// The core limits its answers, and sends to the border what the border sends to it.
TEST(Suspect, ALoopIsToldAsOne) {
  std::vector<ObservedPath> paths = {Way("mail", "physics", "a", true, "R C B * B"),
                                     Way("mail", "physics", "b", true, "R * B * B"),
                                     Way("mail", "physics", "c", true, "R C B C B")};
  for (ObservedPath& path : paths) {
    path.circles = true;
  }
  // How it was in peace, to another host.
  ObservedPath peace = Way("mail", "physics", "d", false, "R C B");
  peace.reached = false;
  peace.before = std::exchange(peace.hops, {});
  paths.push_back(peace);
  const auto said = ExplainPaths(ViewOf({"mail"}, {"web"}), paths);
  ASSERT_TRUE(said);
  EXPECT_EQ(said->suspect->from, At("B").ToString());
  EXPECT_EQ(said->suspect->to, At("C").ToString());
  EXPECT_EQ(said->evidence.at(kGoRound), "3 of 3");
  IncidentRecord record;
  record.verdict = Verdict::kRouteAnomaly;
  record.suspect = said->suspect;
  record.evidence = said->evidence;
  EXPECT_THAT(Summarise(record, 0, 0), HasSubstr("and they come back: a loop"));
  record.suspect->to = kIntoSilence;
  EXPECT_THAT(Summarise(record, 0, 0), HasSubstr("Packets go round at"));
}

// A null route drops a packet before its TTL is looked at.
TEST(Suspect, AGatewayThatIsSilentForSomeHostsIsItself) {
  const auto said = ExplainPaths(
      ViewOf({"mail"}, {"web"}),
      {Way("mail", "physics", "a", true, "*"), Way("mail", "physics", "b", true, "*"),
       Way("mail", "physics", "c", false, "R C B"), Way("mail", "physics", "d", false, "R C B")});
  ASSERT_TRUE(said);
  EXPECT_EQ(said->suspect->from, At("R").ToString());
  EXPECT_EQ(said->suspect->to, kIntoSilence);
  EXPECT_THAT(said->suspect->ambiguity, ElementsAre("mail -> silence"));
}

TEST(Suspect, NothingIsSaidOnTheStrengthOfOneWay) {
  EXPECT_FALSE(ExplainPaths(
      ViewOf({"mail"}, {"web"}),
      {Way("mail", "physics", "a", true, "R"), Way("mail", "physics", "c", false, "R C B")}));
  EXPECT_FALSE(ExplainPaths(ViewOf({"mail"}, {"web"}), {}));
}

// One lying sensor, or one lying group, cannot get a router confirmed.
TEST(Suspect, ItIsConfirmedByThreeSensorsAndTwoGroupsThatAccuse) {
  std::vector<ObservedPath> paths = {
      Way("p1", "physics", "a", true, "P C"), Way("p1", "physics", "b", true, "P C"),
      Way("p2", "physics", "a", true, "P C"), Way("p2", "physics", "d", false, "P C B"),
      Way("l1", "library", "d", false, "L C B")};
  auto said = ExplainPaths(ViewOf({"p1", "p2"}, {"l1", "l2"}), paths);
  ASSERT_TRUE(said);
  EXPECT_EQ(said->suspect->confidence, "likely") << "all accusers are of one group";
  paths.push_back(Way("l1", "library", "a", true, "L C"));
  said = ExplainPaths(ViewOf({"l1", "p1", "p2"}, {"l2"}), paths);
  ASSERT_TRUE(said);
  EXPECT_EQ(said->suspect->confidence, "confirmed");
  EXPECT_EQ(said->evidence.at(kSuspectWordOf), "l1, p1, p2");
  said = ExplainPaths(ViewOf({"l1", "p1"}, {}), {Way("p1", "physics", "a", true, "P C"),
                                                 Way("l1", "library", "a", true, "L C")});
  ASSERT_TRUE(said);
  EXPECT_EQ(said->suspect->confidence, "likely") << "two sensors in all";
}

// The department's router has one address on each of its sensors' networks.
TEST(Suspect, FirstHopsOfOneGroupThatLeadToOnePlaceAreOneRouter) {
  const auto said =
      ExplainPaths(ViewOf({"p1", "p2"}, {"l1"}),
                   {Way("p1", "physics", "a", true, "P"), Way("p1", "physics", "d", false, "P C B"),
                    Way("p2", "physics", "b", true, "Q"), Way("p2", "physics", "d", false, "Q C B"),
                    Way("l1", "library", "a", false, "L C B")});
  ASSERT_TRUE(said);
  EXPECT_EQ(said->suspect->from, At("P").ToString());
  EXPECT_EQ(said->suspect->to, kIntoSilence);
  EXPECT_EQ(said->evidence.at(kSuspectWordOf), "p1, p2");
}

// Packets vanish at a core router, which has an address for each department.
TEST(Suspect, ACoreThatHasAnAddressForEachDepartmentIsOnePlace) {
  std::vector<ObservedPath> paths;
  for (const auto& [sensor, group, gateway, core] :
       {std::tuple("p1", "physics", "P ", "C "), std::tuple("l1", "library", "L ", "D "),
        std::tuple("b1", "biology", "K ", "E ")}) {
    for (const char* target : {"a", "b"}) {
      paths.push_back(Way(sensor, group, target, true, gateway));
    }
    paths.push_back(Way(sensor, group, "d", false, std::string(gateway) + core + "B"));
  }
  const auto said = ExplainPaths(ViewOf({"b1", "l1", "p1"}, {"n1"}), paths);
  ASSERT_TRUE(said);
  EXPECT_EQ(said->suspect->to, kIntoSilence);
  EXPECT_THAT(said->suspect->from,
              AnyOf(At("C").ToString(), At("D").ToString(), At("E").ToString()));
  EXPECT_EQ(said->suspect->ambiguity.size(), 3u);
  EXPECT_EQ(said->suspect->confidence, "confirmed") << "three departments accuse it";
  EXPECT_EQ(said->evidence.at(kSuspectWordOf), "b1, l1, p1");
  EXPECT_EQ(said->places.size(), 4u) << "whoever is told of by one of the ways is told of here";
}

// The core's link to the border is dead, or the border: from here that cannot be told.
TEST(Suspect, WhatManyAddressesLeadToMayBeCutOffByOneRouter) {
  std::vector<ObservedPath> paths;
  for (const auto& [sensor, group, way] :
       {std::tuple("p1", "physics", "P C"), std::tuple("l1", "library", "L D"),
        std::tuple("b1", "biology", "K E")}) {
    for (const char* target : {"a", "b"}) {
      ObservedPath& path = paths.emplace_back(Way(sensor, group, target, true, way));
      path.before = Hops(std::string(way) + " B");
      path.before.push_back(path.target);
    }
  }
  const auto said = ExplainPaths(ViewOf({"b1", "l1", "p1"}, {"n1"}), paths);
  ASSERT_TRUE(said);
  EXPECT_THAT(said->suspect->from,
              AnyOf(At("C").ToString(), At("D").ToString(), At("E").ToString()));
  EXPECT_EQ(said->suspect->to, At("B").ToString());
  EXPECT_EQ(said->suspect->confidence, "confirmed");
  ASSERT_EQ(said->suspect->ambiguity.size(), 3u);
  EXPECT_EQ(said->suspect->ambiguity.front(), At("B").ToString() + " -> silence");
  IncidentRecord record;
  record.verdict = Verdict::kRouteAnomaly;
  record.suspect = said->suspect;
  record.evidence = {{kSuspectInsteadOf, said->evidence.at(kSuspectInsteadOf)}};
  EXPECT_THAT(Summarise(record, 0, 0), HasSubstr("into " + At("B").ToString() + ", or in it"));
}

TEST(Suspect, WhoeverBelievesARogueIsToBeMended) {
  const auto said = ExplainPaths(
      ViewOf({"c1", "p1"}, {"l1"}),
      {Way("p1", "physics", "a", true, "P X"), Way("p1", "physics", "b", true, "P X"),
       Way("c1", "chemistry", "a", true, "K X"), Way("c1", "chemistry", "b", true, "K X"),
       Way("p1", "physics", "d", false, "P C"), Way("c1", "chemistry", "d", false, "K C")});
  ASSERT_TRUE(said);
  EXPECT_EQ(said->suspect->to, At("X").ToString());
  EXPECT_EQ(said->suspect->from, At("K").ToString());
  EXPECT_THAT(said->suspect->ambiguity,
              ElementsAre(At("P").ToString() + " -> " + At("X").ToString()));
}

}  // namespace
}  // namespace parallax::collector
