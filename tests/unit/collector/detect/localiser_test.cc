#include "collector/detect/localise/localiser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/unit/collector/detect/observed_paths.h"

namespace parallax::collector {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

using Paths = std::vector<ObservedPath>;

// The student's box: half of the destinations of R go to it. `failing`, `before`: the ways.
Paths Split(size_t count, std::string_view failing, std::string_view before = "",
            std::string_view passing = "R C B T") {
  Paths paths;
  for (size_t i = 0; i < count; ++i) {
    paths.push_back(Fails("cs-1", Target(i), failing, before));
    paths.push_back(Passes("cs-1", Target(count + i), passing));
  }
  return paths;
}

TEST(EdgeGain, AsWorkedOutByHand) {
  EXPECT_THAT(EdgeGain(50, 50), DoubleNear(189, 0.5));
  EXPECT_THAT(EdgeGain(50, 0), DoubleNear(258, 0.5));
  EXPECT_LT(EdgeGain(1, 0), 0);
  EXPECT_GT(EdgeGain(2, 0), 0);
}

TEST(Localiser, NothingToSay) {
  EXPECT_THAT(Localise({}), IsEmpty());
  EXPECT_THAT(Localise(Paths{Passes("cs-1", "t00", "R C B T"), Passes("cs-2", "t00", "R C B T")}),
              IsEmpty());
  EXPECT_THAT(Localise(Split(50, "R rog"), {}, 0), IsEmpty());
  // Not traced.
  EXPECT_THAT(Localise(Paths{Fails("cs-1", "t00", "", "R C B T"), Fails("cs-1", "t01", "")}),
              IsEmpty());
}

TEST(Localiser, RouterThatWasLedAstrayAndNotTheOneThatCarriesGoodPathsToo) {
  const auto suspects = Localise(Split(50, "R rog * * *", "R C B T"));
  ASSERT_THAT(suspects, SizeIs(1));
  const SuspectEdge& suspect = suspects[0];
  EXPECT_EQ(Text(suspect), "R > rog");
  EXPECT_THAT(Texts(suspect.ambiguity), ElementsAre("rog > silence"));
  EXPECT_EQ(suspect.instead_of, At("C"));
  EXPECT_THAT(suspect.led_by, IsEmpty());
  EXPECT_THAT(suspect.gain, DoubleNear(258, 0.5));
  EXPECT_EQ(suspect.hit_ratio, 1);
  EXPECT_EQ(suspect.failing, 50u);
  EXPECT_EQ(suspect.passing, 0u);
  EXPECT_THAT(suspect.accusers, ElementsAre("cs-1"));
  EXPECT_THAT(suspect.groups, ElementsAre("cs"));
  EXPECT_FALSE(suspect.partial);
}

TEST(Localiser, RogueThatIsSilent) {
  for (const char* before : {"R C B T", ""}) {
    const auto suspects = Localise(Split(20, "R * * *", before));
    ASSERT_THAT(suspects, SizeIs(1));
    EXPECT_EQ(Text(suspects[0]), "R > silence");
    EXPECT_THAT(suspects[0].ambiguity, IsEmpty());
    EXPECT_EQ(suspects[0].instead_of, At("C"));
    EXPECT_FALSE(suspects[0].partial);
  }
}

TEST(Localiser, WayThatPartsAndComesBack) {
  // The rogue forwards to a good router, which drops what comes from the wrong side.
  const auto suspects = Localise(Split(20, "R rog C * *", "R C B T"));
  ASSERT_THAT(suspects, SizeIs(1));
  EXPECT_EQ(Text(suspects[0]), "R > rog");
  EXPECT_THAT(Texts(suspects[0].ambiguity), ElementsAre("rog > C", "C > silence"));
  EXPECT_EQ(suspects[0].instead_of, At("C"));
}

TEST(Localiser, SilentRouterInTheMiddleIsASegment) {
  const auto suspects = Localise(Split(20, "R * *", "R * B T", "R * B T"));
  ASSERT_THAT(suspects, SizeIs(1));
  EXPECT_EQ(Text(suspects[0]), "R > silence");
  EXPECT_EQ(suspects[0].instead_of, At("B"));
  EXPECT_TRUE(suspects[0].partial);
}

TEST(Localiser, EdgeOverSilenceIsASegment) {
  const auto suspects = Localise(Split(20, "R * rog *", "R C B T"));
  ASSERT_THAT(suspects, SizeIs(1));
  EXPECT_EQ(Text(suspects[0]), "R > rog");
  EXPECT_TRUE(suspects[0].partial);
}

TEST(Localiser, SilentInPeaceTooIsASegment) {
  // Behind the border nobody answers traces, whether they arrive or not.
  const auto suspects = Localise(Split(20, "R C B * *", "R C B * *", "R C B * *"));
  ASSERT_THAT(suspects, SizeIs(1));
  EXPECT_EQ(Text(suspects[0]), "B > silence");
  EXPECT_EQ(suspects[0].instead_of, std::nullopt);
  EXPECT_EQ(suspects[0].hit_ratio, 0.5);
  EXPECT_TRUE(suspects[0].partial);
}

TEST(Localiser, RouterThatSkipsAnAnswerIsNoNewWay) {
  // C limits its answers: silent now and then, on good paths and bad ones.
  Paths paths;
  for (size_t i = 0; i < 20; ++i) {
    paths.push_back(Fails("cs-1", Target(i), "R * B *", "R C B X T"));
    paths.push_back(Passes("cs-1", Target(20 + i), "R C B X T"));
    paths.push_back(Fails("ee-1", Target(i), "S C B *", "S * B X T"));
    paths.push_back(Passes("ee-1", Target(20 + i), "S * B X T"));
  }
  const auto suspects = Localise(paths);
  ASSERT_THAT(suspects, SizeIs(1));
  EXPECT_EQ(Text(suspects[0]), "B > silence");
  EXPECT_THAT(suspects[0].ambiguity, IsEmpty());
  EXPECT_EQ(suspects[0].failing, 40u);
}

TEST(Localiser, AnAnswerThatWasNotGivenDoesNotHideWhoWasLedAstray) {
  // Twice both Q and R forget to answer, so that more paths show the rogue than the way to it.
  Paths paths = Split(30, "Q R rog *", "Q R C B T", "Q R C B T");
  paths.push_back(Fails("cs-1", "t90", "* * rog *"));
  paths.push_back(Fails("cs-2", "t91", "* * rog *"));
  const auto suspects = Localise(paths);
  ASSERT_THAT(Texts(suspects), ElementsAre("R > rog"));
  EXPECT_THAT(Texts(suspects[0].ambiguity), ElementsAre("rog > silence"));
  EXPECT_EQ(suspects[0].failing, 32u);
}

TEST(Localiser, ColdStartInWhichEverythingFailsIsAmbiguous) {
  Paths paths;
  for (size_t i = 0; i < 20; ++i) {
    paths.push_back(Fails("cs-1", Target(i), "R C B * *"));
  }
  auto suspects = Localise(paths);
  ASSERT_THAT(suspects, SizeIs(1));
  EXPECT_EQ(Text(suspects[0]), "R > C");
  EXPECT_THAT(Texts(suspects[0].ambiguity), ElementsAre("cs-1 > R", "C > B", "B > silence"));
  EXPECT_EQ(suspects[0].instead_of, std::nullopt);

  // What is common to two departments.
  for (size_t i = 0; i < 20; ++i) {
    paths.push_back(Fails("ee-1", Target(i), "S C B * *"));
  }
  suspects = Localise(paths);
  ASSERT_THAT(suspects, SizeIs(1));
  EXPECT_EQ(Text(suspects[0]), "C > B");
  EXPECT_THAT(Texts(suspects[0].ambiguity), ElementsAre("B > silence"));
  EXPECT_THAT(suspects[0].accusers, ElementsAre("cs-1", "ee-1"));
  EXPECT_THAT(suspects[0].groups, ElementsAre("cs", "ee"));
}

TEST(Localiser, DepartmentThatOnlyFailsPartsWhereOthersAreKnownToGoOn) {
  Paths paths;
  for (size_t i = 0; i < 20; ++i) {
    paths.push_back(Fails("cs-1", Target(i), "R C D *"));
    paths.push_back(Passes("ee-1", Target(i), "S C B T"));
  }
  const auto suspects = Localise(paths);
  ASSERT_THAT(suspects, SizeIs(1));
  EXPECT_EQ(Text(suspects[0]), "C > D");
  EXPECT_THAT(Texts(suspects[0].ambiguity), ElementsAre("cs-1 > R", "R > C", "D > silence"));
  EXPECT_EQ(suspects[0].instead_of, At("B"));
}

TEST(Localiser, HostThatWasLedAstrayItself) {
  const auto suspects = Localise(Split(20, "rog * *", "R C B T"));
  ASSERT_THAT(suspects, SizeIs(1));
  EXPECT_EQ(Text(suspects[0]), "cs-1 > rog");
  EXPECT_EQ(suspects[0].instead_of, At("R"));
}

TEST(Localiser, NobodyAnswersOnTheWay) {
  const auto suspects = Localise(Split(20, "* * * *", "", "* * * T"));
  ASSERT_THAT(suspects, SizeIs(1));
  EXPECT_EQ(Text(suspects[0]), "cs-1 > silence");
  EXPECT_EQ(suspects[0].instead_of, std::nullopt);
  EXPECT_TRUE(suspects[0].partial);
}

TEST(Localiser, NullRouteAtOneBorderSeenFromThreeDepartments) {
  Paths paths;
  size_t target = 0;
  for (const char* sensor : {"cs-1", "ee-1", "ph-1"}) {
    const std::string first = std::string(1, *sensor) + "r";
    for (size_t i = 0; i < 10; ++i) {
      // B reports it unreachable: it answers for itself, and again for what is behind.
      paths.push_back(Fails(sensor, Target(i), first + " C B B", first + " C B X T"));
      paths.push_back(Passes(sensor, Target(100 + ++target), first + " C B Y T"));
      paths.push_back(Passes(sensor, Target(200 + target), first + " C E Z T"));
    }
  }
  const auto suspects = Localise(paths);
  ASSERT_THAT(suspects, SizeIs(1));
  EXPECT_EQ(Text(suspects[0]), "B > silence");
  EXPECT_EQ(suspects[0].instead_of, At("X"));
  EXPECT_EQ(suspects[0].failing, 30u);
  EXPECT_THAT(suspects[0].accusers, ElementsAre("cs-1", "ee-1", "ph-1"));
  EXPECT_THAT(suspects[0].groups, ElementsAre("cs", "ee", "ph"));
}

TEST(Localiser, AnswersThatAreLostOnTheirWayBackEndThePathAllTheSame) {
  // R's and C's answers come home; from B on they take the broken way back.
  const auto suspects = Localise(Split(20, "R C * * *", "R C B X T", "R C D X T"));
  ASSERT_THAT(suspects, SizeIs(1));
  EXPECT_EQ(Text(suspects[0]), "C > silence");
  EXPECT_EQ(suspects[0].instead_of, At("B"));
}

TEST(Localiser, TwoFaultsInOrderOfGain) {
  Paths paths = Split(20, "R rog *", "R C B T");
  for (size_t i = 0; i < 30; ++i) {
    paths.push_back(Fails("ee-1", Target(i), "S * *", "S C B T"));
    paths.push_back(Passes("ee-1", Target(100 + i), "S C B T"));
  }
  const auto suspects = Localise(paths);
  ASSERT_THAT(Texts(suspects), ElementsAre("S > silence", "R > rog"));
  EXPECT_GT(suspects[0].gain, suspects[1].gain);
  EXPECT_THAT(suspects[0].accusers, ElementsAre("ee-1"));
  EXPECT_THAT(suspects[1].accusers, ElementsAre("cs-1"));
  EXPECT_THAT(Localise(paths, {}, 1), ElementsAre(suspects[0]));
}

TEST(Localiser, FlowsOfOneTargetThatFareDifferently) {
  Paths paths;
  for (size_t flow = 0; flow < 4; ++flow) {
    paths.push_back(Fails("cs-1", "t00", "R rog *", "R C B T"));
    paths.push_back(Passes("cs-1", "t00", "R C B T"));
  }
  const auto suspects = Localise(paths);
  ASSERT_THAT(suspects, SizeIs(1));
  EXPECT_EQ(Text(suspects[0]), "R > rog");
  EXPECT_EQ(suspects[0].failing, 4u);
}

TEST(Localiser, SeveralWaysInPeaceAreNoNewWay) {
  Paths paths;
  for (size_t i = 0; i < 20; ++i) {
    // C spreads over three borders in peace; what goes by E is lost behind it.
    paths.push_back(Fails("cs-1", Target(i), "R C E *", i % 2 == 0 ? "R C E X T" : "R C B T"));
    paths.push_back(Passes("cs-1", Target(100 + i), i % 2 == 0 ? "R C B T" : "R C D T"));
  }
  const auto suspects = Localise(paths);
  ASSERT_THAT(suspects, SizeIs(1));
  EXPECT_EQ(Text(suspects[0]), "E > silence");
  EXPECT_EQ(suspects[0].instead_of, At("X"));
}

TEST(Localiser, NoAnswerStandsOutWhereThereAreSeveral) {
  Paths paths = Split(10, "R C * *", "", "R C B T");
  for (size_t i = 0; i < 10; ++i) {
    paths.push_back(Passes("cs-1", Target(100 + i), "R C D T"));
  }
  const auto suspects = Localise(paths);
  ASSERT_THAT(suspects, SizeIs(1));
  EXPECT_EQ(Text(suspects[0]), "C > silence");
  EXPECT_EQ(suspects[0].instead_of, std::nullopt);
}

TEST(Localiser, OneFailingPathAloneBlamesNobodyTwoDo) {
  Paths paths = Split(1, "R rog *", "R C B T");
  EXPECT_THAT(Localise(paths), IsEmpty());
  paths.push_back(Fails("cs-2", "t00", "R rog *"));
  EXPECT_THAT(Texts(Localise(paths)), ElementsAre("R > rog"));
}

TEST(Localiser, LiarIsKnownByItsAccusers) {
  Paths paths;
  for (size_t i = 0; i < 30; ++i) {
    for (const char* sensor : {"cs-1", "cs-2", "ee-1"}) {
      paths.push_back(i % 2 == 0 ? Fails(sensor, Target(i), "R rog *", "R C B T")
                                 : Passes(sensor, Target(i), "R C B T"));
    }
    // Everybody else passes there, to the same targets.
    paths.push_back(Fails("xx-1", Target(i), "Q C *", "Q C B T"));
  }
  const auto suspects = Localise(paths);
  ASSERT_THAT(Texts(suspects), ElementsAre("R > rog", "C > silence"));
  EXPECT_THAT(suspects[0].accusers, ElementsAre("cs-1", "cs-2", "ee-1"));
  EXPECT_THAT(suspects[1].accusers, ElementsAre("xx-1"));
  EXPECT_THAT(suspects[1].groups, ElementsAre("xx"));
}

TEST(Localiser, LiarThatPraisesTheRogueMovesTheSuspectByOnePlace) {
  Paths paths = Split(30, "R rog *", "R C B T");
  for (size_t i = 0; i < 500; ++i) {
    paths.push_back(Passes("xx-1", Target(i), "R rog B T"));
  }
  EXPECT_THAT(Texts(Localise(paths)), ElementsAre("rog > silence"));
}

TEST(Localiser, Loop) {
  const auto suspects = Localise(Split(20, "R rog R rog R rog R rog", "R C B T"));
  ASSERT_THAT(suspects, SizeIs(1));
  EXPECT_EQ(Text(suspects[0]), "R > rog");
  EXPECT_THAT(Texts(suspects[0].ambiguity), ElementsAre("rog > R"));
}

TEST(Localiser, LoopOverARouterThatDoesNotAnswerASecondTime) {
  // Routers limit their errors: C is silent whenever the packet comes by it again.
  const auto suspects = Localise(Split(20, "R C B * B", "R C B T"));
  ASSERT_THAT(suspects, SizeIs(1));
  EXPECT_EQ(Text(suspects[0]), "B > C");
  // What answered there once is better than a guess.
  Paths paths = Split(20, "R C B * B", "R C B T");
  paths.push_back(Fails("cs-1", Target(200), "R C B D B", "R C B T"));
  const auto known = Localise(paths);
  ASSERT_THAT(known, SizeIs(1));
  EXPECT_EQ(Text(known[0]), "B > D");
}

TEST(Localiser, LoopOfEdgesThatAreGoodOneByOne) {
  // Each of C and D is the right way from the other for somebody, but not both for one packet.
  Paths paths;
  for (size_t i = 0; i < 20; ++i) {
    paths.push_back(Fails("cs-1", Target(i), "R C D C D C * D", "R C B T"));
    if (i < 5) {
      paths.push_back(Passes("cs-1", Target(100 + i), "R C D T"));
      paths.push_back(Passes("ee-1", Target(100 + i), "S D C T"));
    }
  }
  const auto suspects = Localise(paths);
  ASSERT_THAT(suspects, SizeIs(1));
  EXPECT_EQ(Text(suspects[0]), "C > D");
  EXPECT_THAT(Texts(suspects[0].ambiguity), ElementsAre("D > C"));
  EXPECT_EQ(suspects[0].hit_ratio, 0.8);
  EXPECT_EQ(suspects[0].instead_of, At("B"));
}

TEST(Localiser, PlaceThatComesTwiceIsNoLoopIfTheWayGoesOn) {
  const auto suspects = Localise(Split(20, "R C R C B *", "R C B T"));
  ASSERT_THAT(Texts(suspects), ElementsAre("C > R"));
  EXPECT_THAT(Texts(suspects[0].ambiguity), ElementsAre("B > silence"));
}

TEST(Localiser, DeadTargetsOnTopOfAFault) {
  Paths paths = Split(20, "R rog *", "R C B T");
  for (const char* dead : {"d1", "d2", "d3"}) {
    const std::string last = std::string("l") + dead[1];
    paths.push_back(Fails("cs-1", dead, "R C B " + last + " *", "R C B " + last + " T"));
  }
  const auto suspects = Localise(paths);
  ASSERT_THAT(Texts(suspects), ElementsAre("R > rog"));
  EXPECT_EQ(suspects[0].failing, 20u);
}

TEST(Localiser, BelowTheFloorIsASegmentAndTheLast) {
  // Dead or not, what goes by Q ends in silence; only some of it does now.
  Paths paths = Split(20, "R rog *", "R C B T");
  for (size_t i = 0; i < 10; ++i) {
    paths.push_back(Fails("ee-1", Target(100 + i), "Q *"));
    paths.push_back(Passes("ee-1", Target(200 + i), "Q *"));
  }
  const auto suspects = Localise(paths);
  ASSERT_THAT(Texts(suspects), ElementsAre("R > rog", "Q > silence"));
  EXPECT_FALSE(suspects[0].partial);
  EXPECT_TRUE(suspects[1].partial);
  EXPECT_EQ(suspects[1].hit_ratio, 0.5);
}

TEST(Localiser, RouterOfSeveralAddressesIsSeveralPlaces) {
  Paths paths;
  for (size_t i = 0; i < 20; ++i) {
    for (const auto& [sensor, first] : {std::pair("cs-1", "Ra"), std::pair("cs-2", "Rb")}) {
      const std::string good = first + std::string(" C B T");
      paths.push_back(Fails(sensor, Target(i), first + std::string(" rog *"), good));
      paths.push_back(Passes(sensor, Target(100 + i), good));
    }
  }
  // The rogue is one, and who was led to it is two.
  const auto suspects = Localise(paths);
  ASSERT_THAT(Texts(suspects), ElementsAre("rog > silence"));
  EXPECT_THAT(suspects[0].led_by,
              ElementsAre(PathPlace::Address(At("Ra")), PathPlace::Address(At("Rb"))));
}

TEST(Localiser, BothFamilies) {
  Paths paths;
  const auto v6 = [](uint8_t last) {
    std::array<uint8_t, 16> bytes{0x20, 0x01, 0x0d, 0xb8};
    bytes[15] = last;
    return IpAddress::V6(bytes);
  };
  for (uint8_t i = 0; i < 10; ++i) {
    ObservedPath path = Fails("cs-1", "t00", "");
    path.target = v6(static_cast<uint8_t>(100 + i));
    path.hops = {v6(1), v6(66), std::nullopt};
    path.before = {v6(1), v6(2), path.target};
    paths.push_back(path);
  }
  const auto suspects = Localise(paths);
  ASSERT_THAT(suspects, SizeIs(1));
  EXPECT_EQ(suspects[0].from.ToString(), "2001:db8::1");
  EXPECT_EQ(suspects[0].to.ToString(), "2001:db8::42");
  EXPECT_EQ(suspects[0].instead_of, v6(2));
}

TEST(Localiser, OrderOfThePathsDoesNotMatter) {
  // Two faults of the same weight, and everything twice ambiguous.
  Paths paths;
  for (size_t i = 0; i < 10; ++i) {
    paths.push_back(Fails("cs-1", Target(i), "R rog out *", "R C B T"));
    paths.push_back(Fails("ee-1", Target(i), "S bad out *", "S C B T"));
    paths.push_back(Fails("ph-1", Target(i), "P C * x"));
    paths.push_back(Passes("ee-1", Target(100 + i), i % 2 == 0 ? "S C B T" : "S C D T"));
  }
  const auto suspects = Localise(paths, {}, 10);
  EXPECT_FALSE(suspects.empty());
  std::mt19937 random(1);
  for (int i = 0; i < 50; ++i) {
    std::shuffle(paths.begin(), paths.end(), random);
    EXPECT_EQ(Localise(paths, {}, 10), suspects);
  }
}

}  // namespace
}  // namespace parallax::collector
