// Who offers itself as a gateway, and when that puts a name to the silent next hop of a suspect.
// Everywhere below the way into the void ends at the router of "mail", 10.30.0.1.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/collector/detect/announced_world.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

constexpr const char* kNobody = "10.30.0.1 -> silence, likely";
constexpr const char* kTheRogue = "10.30.0.1 -> 10.30.0.66, likely";
constexpr const char* kTheRogueConfirmed = "10.30.0.1 -> 10.30.0.66, confirmed";

// A campus that has been at peace for long enough to be known.
class Announced : public testing::Test {
 protected:
  void SetUp() override { campus_.Run(5min); }

  AnnouncedWorld campus_;
};

TEST_F(Announced, NobodyIsNamedWhenNobodyAnnouncesAnything) {
  campus_.BeginTrouble();
  campus_.Run(2min);
  EXPECT_EQ(campus_.Where(), kNobody);
  EXPECT_THAT(campus_.Heard(), IsEmpty());
}

TEST_F(Announced, NewcomerWithADefaultRouteIsTheSilentNextHop) {
  campus_.Hear({"mail1"}, DefaultRoute(kRogue));
  campus_.BeginTrouble();
  campus_.Run(2min);
  EXPECT_EQ(campus_.Where(), kTheRogue);
  EXPECT_THAT(campus_.incident().suspect->ambiguity, Contains("10.30.0.1 -> silence"))
      << "what the traces alone say is still told";
  EXPECT_THAT(campus_.Heard(),
              StartsWith("10.30.0.66 (02:00:00:00:00:66) announces a default route by rip, gateway "
                         "10.30.0.66; heard by mail1, first at "));
  EXPECT_EQ(campus_.NotesOf("sensor mail1 hears 10.30.0.66 announce a default route by rip"), 1u);
}

TEST(WithoutAnnouncements, TheSilentNextHopHasNoName) {
  EngineOptions options;
  options.without.Add(Part::kAnnouncements);
  AnnouncedWorld campus(1, options);
  campus.Run(5min);
  campus.Hear({"mail1"}, DefaultRoute(kRogue));
  campus.BeginTrouble();
  campus.Run(2min);
  EXPECT_EQ(campus.Where(), kNobody);
}

TEST_F(Announced, ItIsTheGatewayThatIsNamedAndNotWhoSpeaksForIt) {
  Announcement said = DefaultRoute(kRogue);
  said.speaker = Ip("10.30.0.7");
  campus_.Hear({"mail1"}, said);
  campus_.BeginTrouble();
  campus_.Run(2min);
  EXPECT_EQ(campus_.Where(), kTheRogue);
}

TEST_F(Announced, HeardByAnotherDepartmentItIsConfirmed) {
  campus_.Hear({"mail1", "web1"}, DefaultRoute(kRogue));
  campus_.BeginTrouble();
  campus_.Run(2min);
  EXPECT_EQ(campus_.Where(), kTheRogueConfirmed);
  EXPECT_THAT(campus_.Heard(), HasSubstr("heard by mail1, web1,"));
}

TEST_F(Announced, HeardByAnotherSensorOfTheAccusersDepartmentItIsNotConfirmed) {
  // One department can make up both, the trouble and the announcement. This sensor accuses nobody.
  campus_.AddSensor("mail2", "mail");
  campus_.Run(3min);
  campus_.Hear({"mail1", "mail2"}, DefaultRoute(kRogue));
  campus_.black_hole = [](const sim::Place& place, const sim::Remote& remote) {
    return place.name == "mail1" && remote.address.is_v4() && Half(remote);
  };
  campus_.Run(2min);
  EXPECT_EQ(campus_.Where(), kTheRogue);
  EXPECT_THAT(campus_.incident().failing_sensors, ElementsAre("mail1"));
}

TEST_F(Announced, HeardByAnotherDepartmentAloneItNamesNothing) {
  campus_.Hear({"web1"}, DefaultRoute(kRogue));
  campus_.BeginTrouble();
  campus_.Run(2min);
  EXPECT_EQ(campus_.Where(), kNobody);
  EXPECT_THAT(campus_.Heard(), IsEmpty());
}

TEST_F(Announced, OnAWireThatTheSuspectedRouterIsNotOnItNamesNothing) {
  // The core drops what mail sends. What is said on mail's wire does not get there.
  campus_.swallows_at = AnnouncedWorld::At::kCore;
  campus_.Hear({"mail1", "web1"}, DefaultRoute(kRogue));
  campus_.BeginTrouble();
  campus_.Run(2min);
  EXPECT_EQ(campus_.Where(), "10.9.0.1 -> silence, likely");
}

TEST_F(Announced, LongKnownAnnouncerIsNoNews) {
  campus_.HearFor(10min, {"mail1", "web1"}, DefaultRoute(kRogue));
  campus_.BeginTrouble();
  campus_.HearFor(2min, {"mail1", "web1"}, DefaultRoute(kRogue));
  EXPECT_EQ(campus_.Where(), kNobody);
}

TEST_F(Announced, LongKnownAnnouncerIsNoNewsToACollectorThatHasJustBegun) {
  Announcement said = DefaultRoute(kRogue);
  said.first_heard = campus_.now().wall - 1h;  // sensors remember what a collector forgets
  campus_.RestartCollector();
  campus_.Run(4s);
  for (const char* sensor : {"mail1", "web1"}) {
    campus_.Inject(campus_.IndexOf(sensor), {said});
  }
  campus_.BeginTrouble();
  campus_.Run(3min);
  EXPECT_EQ(campus_.Where(), kNobody);
}

TEST_F(Announced, AnnouncerThatWasAwayForHoursIsNews) {
  campus_.Hear({"mail1"}, DefaultRoute(kRogue));
  campus_.Run(2h);
  campus_.Hear({"mail1"}, DefaultRoute(kRogue));
  campus_.BeginTrouble();
  campus_.Run(2min);
  EXPECT_EQ(campus_.Where(), kTheRogue);
}

TEST_F(Announced, AnnouncerThatFellSilentAndIsBackIsNews) {
  campus_.HearFor(10min, {"mail1"}, DefaultRoute(kRogue));
  campus_.Run(2min);
  campus_.Hear({"mail1"}, DefaultRoute(kRogue));
  campus_.BeginTrouble();
  campus_.HearFor(2min, {"mail1"}, DefaultRoute(kRogue));
  EXPECT_EQ(campus_.Where(), kTheRogue);
}

TEST_F(Announced, KnownAnnouncerThatOffersADefaultRouteForTheFirstTimeIsNews) {
  const Announcement part = PartOf(DefaultRoute(kRogue));
  campus_.HearFor(10min, {"mail1"}, part);
  campus_.Hear({"mail1"}, DefaultRoute(kRogue));
  campus_.BeginTrouble();
  campus_.HearFor(2min, {"mail1"}, part);
  EXPECT_EQ(campus_.Where(), kTheRogue);
  EXPECT_THAT(campus_.Heard(), HasSubstr("announces a default route"));
}

TEST_F(Announced, WhatASensorUsesAsItsGatewayIsNotSuspected) {
  campus_.Hear({"mail1", "web1"}, DefaultRoute("10.20.0.1"));
  campus_.BeginTrouble();
  campus_.Run(2min);
  EXPECT_EQ(campus_.Where(), kNobody);
  EXPECT_EQ(campus_.NotesOf("announce"), 0u) << "nor is it worth a line in the log";
}

TEST_F(Announced, GatewayThatSpeaksFromAnotherOfItsAddressesIsNotSuspected) {
  campus_.Hear({"mail1", "web1"}, DefaultRoute("10.20.0.1"));  // by the same link address
  campus_.Hear({"mail1", "web1"}, DefaultRoute(kRogue));
  campus_.BeginTrouble();
  campus_.Run(2min);
  EXPECT_EQ(campus_.Where(), kNobody);
}

TEST_F(Announced, RouterThatOnlySaysHelloIsNotSuspected) {
  Announcement hello = DefaultRoute(kRogue);
  hello.kind = AnnouncementKind::kOspf;
  hello.prefix.reset();
  campus_.Hear({"mail1", "web1"}, hello);
  campus_.BeginTrouble();
  campus_.Run(2min);
  EXPECT_EQ(campus_.Where(), kNobody);
}

TEST_F(Announced, ALittleBeforeTheTroubleOrALittleAfterItBegan) {
  campus_.HearFor(80s, {"mail1"}, DefaultRoute(kRogue));
  campus_.BeginTrouble();
  campus_.Run(90s);
  EXPECT_EQ(campus_.Where(), kTheRogue) << "before";

  AnnouncedWorld after;
  after.Run(5min);
  after.BeginTrouble();
  after.Run(40s);
  after.Hear({"mail1"}, DefaultRoute(kRogue));
  after.Run(1min);
  EXPECT_EQ(after.Where(), kTheRogue) << "after";
}

TEST_F(Announced, LongAfterTheTroubleBeganItIsNotItsCause) {
  campus_.BeginTrouble();
  campus_.Run(20min);
  ASSERT_EQ(campus_.Where(), kNobody);
  campus_.HearFor(8min, {"mail1", "web1"}, DefaultRoute(kRogue));
  EXPECT_EQ(campus_.Where(), kNobody);
}

TEST_F(Announced, SmallTroubleThatGrewLaterIsJudgedByWhenItGrew) {
  // One host has been lost for long when the rogue comes and takes many: one department, one
  // incident.
  campus_.black_hole = [&](const sim::Place& place, const sim::Remote& remote) {
    return place.group == "mail" && remote.address == campus_.remotes()[0].address;
  };
  campus_.Run(20min);
  campus_.Hear({"mail1"}, DefaultRoute(kRogue));
  campus_.BeginTrouble();
  campus_.HearFor(3min, {"mail1"}, DefaultRoute(kRogue));
  ASSERT_EQ(campus_.store().incidents().size(), 1u);
  EXPECT_EQ(campus_.Where(), kTheRogue);
}

TEST_F(Announced, WhatWasTakenBackBeforehandNamesNothing) {
  campus_.Hear({"mail1", "web1"}, DefaultRoute(kRogue));
  campus_.Run(20s);
  campus_.Hear({"mail1", "web1"}, Withdrawn(DefaultRoute(kRogue)));
  campus_.BeginTrouble();
  campus_.Run(2min);
  EXPECT_EQ(campus_.Where(), kNobody);
}

TEST_F(Announced, WhatIsToldMuchLaterThanItWasHeardChangesNothing) {
  // The spool of a stream that was broken: it has been announced anew since.
  campus_.Hear({"mail1"}, DefaultRoute(kRogue));
  Announcement old = Withdrawn(DefaultRoute(kRogue));
  old.age = 10min;
  campus_.Hear({"mail1"}, old);
  campus_.BeginTrouble();
  campus_.Run(2min);
  EXPECT_EQ(campus_.Where(), kTheRogue);
}

TEST_F(Announced, TakingBackAnotherRouteLeavesTheDefaultRoute) {
  const Announcement part = PartOf(DefaultRoute(kRogue));
  campus_.Hear({"mail1"}, DefaultRoute(kRogue));
  campus_.Hear({"mail1"}, Withdrawn(part));
  campus_.BeginTrouble();
  campus_.Run(2min);
  EXPECT_EQ(campus_.Where(), kTheRogue);
}

TEST_F(Announced, TakingBackAnotherRouteDoesNotMakeALongKnownAnnouncerNews) {
  // Routers say of routes that they learnt on a wire, there, that they have none: poisoned reverse.
  const Announcement part = PartOf(DefaultRoute(kRogue));
  campus_.HearFor(10min, {"mail1", "web1"}, DefaultRoute(kRogue));
  campus_.Hear({"mail1", "web1"}, Withdrawn(part));
  campus_.BeginTrouble();
  campus_.HearFor(2min, {"mail1", "web1"}, DefaultRoute(kRogue));
  EXPECT_EQ(campus_.Where(), kNobody);
}

TEST_F(Announced, RipThatHasFallenSilentIsNoLongerTheNextHop) {
  // Its route has died everywhere, and the trouble goes on.
  campus_.Hear({"mail1"}, DefaultRoute(kRogue));
  campus_.BeginTrouble();
  campus_.Run(2min);
  ASSERT_EQ(campus_.Where(), kTheRogue);
  campus_.Run(10min);
  EXPECT_EQ(campus_.Where(), kNobody);
  EXPECT_THAT(campus_.Heard(), HasSubstr(kRogue)) << "that it was heard stays true";
}

TEST_F(Announced, IPv6ByRipng) {
  campus_.Hear({"mail1", "web1"}, DefaultRoute(kRogue6));
  campus_.BeginTrouble(Family::kV6);
  campus_.Run(2min);
  EXPECT_EQ(campus_.Where(), "2001:db8:30::1 -> fe80::66, confirmed");
  EXPECT_THAT(campus_.Heard(), HasSubstr("a default route by ripng, gateway fe80::66"));
}

Announcement RouterAdvertisement() {
  Announcement said = DefaultRoute(kRogue6);
  said.kind = AnnouncementKind::kRouterAdvertisement;
  said.metric = 1800;
  return said;
}

TEST_F(Announced, IPv6ByRouterAdvertisement) {
  campus_.Hear({"mail1"}, RouterAdvertisement());
  campus_.BeginTrouble(Family::kV6);
  campus_.Run(2min);
  EXPECT_EQ(campus_.Where(), "2001:db8:30::1 -> fe80::66, likely");
  EXPECT_THAT(campus_.Heard(), HasSubstr("a default route by router_advertisement"));
}

TEST_F(Announced, RouterAdvertisementHoldsForAsLongAsItsLifetimeMayBe) {
  // Routers repeat it every ten minutes, and hosts believe it for half an hour.
  campus_.Hear({"mail1"}, RouterAdvertisement());
  campus_.BeginTrouble(Family::kV6);
  campus_.Run(12min);
  EXPECT_EQ(campus_.Where(), "2001:db8:30::1 -> fe80::66, likely");
}

TEST_F(Announced, OfOneFamilyItIsNoNextHopOfTheOther) {
  campus_.Hear({"mail1", "web1"}, DefaultRoute(kRogue6));
  campus_.BeginTrouble(Family::kV4);
  campus_.Run(2min);
  EXPECT_EQ(campus_.Where(), kNobody);
}

// Another student's box.
Announcement OtherRogue() {
  Announcement said = DefaultRoute("10.30.0.67");
  said.speaker_link = "02:00:00:00:00:67";
  return said;
}

TEST_F(Announced, OfTwoNewcomersTheFirstIsNamedAndTheOtherIsToldToo) {
  campus_.Hear({"mail1"}, DefaultRoute(kRogue));
  campus_.Run(10s);
  campus_.Hear({"mail1"}, OtherRogue());
  campus_.BeginTrouble();
  campus_.Run(2min);
  EXPECT_EQ(campus_.Where(), kTheRogue);
  EXPECT_THAT(campus_.incident().suspect->ambiguity,
              ElementsAre("10.30.0.1 -> silence", "10.30.0.1 -> 10.30.0.67"));
}

TEST_F(Announced, OfTwoNewcomersNeitherIsConfirmed) {
  // Both were heard by others, too, and one of them is innocent.
  campus_.Hear({"mail1", "web1"}, DefaultRoute(kRogue));
  campus_.Hear({"mail1", "web1"}, OtherRogue());
  campus_.BeginTrouble();
  campus_.Run(2min);
  EXPECT_THAT(campus_.Where(), EndsWith(", likely"));
}

TEST_F(Announced, OneBoxByTwoOfItsAddressesIsOneNewcomer) {
  campus_.Hear({"mail1", "web1"}, DefaultRoute(kRogue));
  campus_.Run(10s);
  campus_.Hear({"mail1", "web1"}, DefaultRoute("10.30.0.67"));
  campus_.BeginTrouble();
  campus_.Run(2min);
  EXPECT_EQ(campus_.Where(), kTheRogueConfirmed);
  EXPECT_THAT(campus_.incident().suspect->ambiguity, ElementsAre("10.30.0.1 -> silence"));
}

TEST_F(Announced, NewcomerThatTracesNameNeedsNoGuessing) {
  // It answers traces, and swallows all the same.
  campus_.swallows_at = AnnouncedWorld::At::kNextHop;
  campus_.Hear({"mail1", "web1"}, OtherRogue());
  campus_.Run(10s);
  campus_.Hear({"mail1", "web1"}, DefaultRoute(kRogue));
  campus_.BeginTrouble();
  campus_.Run(2min);
  EXPECT_EQ(campus_.Where(), kTheRogueConfirmed);
}

TEST_F(Announced, DefaultRouteIsBetterThanAnEarlierOneToAPart) {
  const Announcement part = PartOf(OtherRogue());
  campus_.Hear({"mail1", "web1"}, part);
  campus_.Run(10s);
  campus_.Hear({"mail1", "web1"}, DefaultRoute(kRogue));
  campus_.BeginTrouble();
  campus_.Run(2min);
  EXPECT_EQ(campus_.Where(), kTheRogueConfirmed);
}

// As many boxes as a sensor that lies cares to make up.
std::vector<Record> MadeUp(size_t count, WallTime now) {
  std::vector<Record> records;
  for (size_t i = 0; i < count; ++i) {
    Announcement said =
        DefaultRoute("172.16." + std::to_string(i / 250) + "." + std::to_string(1 + i % 250));
    said.first_heard = now;
    records.emplace_back(said);
  }
  return records;
}

TEST_F(Announced, ThousandsThatALiarMakesUpAreNeitherKeptNorBelieved) {
  for (int i = 0; i < 4; ++i) {
    campus_.Inject(campus_.IndexOf("web1"), MadeUp(5'000, campus_.now().wall));
  }
  campus_.BeginTrouble();
  campus_.Run(2min);
  EXPECT_EQ(campus_.Where(), kNobody);
  EXPECT_LE(campus_.NotesOf("announce"), 1'000u) << "each that is kept makes one line";
  EXPECT_GE(campus_.NotesOf("announce"), 1u);
}

TEST_F(Announced, ThousandsThatALiarMakesUpDoNotHideWhatOthersHear) {
  campus_.Inject(campus_.IndexOf("web1"), MadeUp(5'000, campus_.now().wall));
  campus_.Hear({"mail1"}, DefaultRoute(kRogue));
  campus_.BeginTrouble();
  campus_.Run(2min);
  EXPECT_EQ(campus_.Where(), kTheRogue);
}

TEST_F(Announced, LiarCannotMakeALongKnownAnnouncerNewsByTakingItBack) {
  campus_.HearFor(10min, {"mail1", "web1"}, DefaultRoute(kRogue));
  campus_.Hear({"noc1"}, Withdrawn(DefaultRoute(kRogue)));
  campus_.BeginTrouble();
  campus_.HearFor(2min, {"mail1", "web1"}, DefaultRoute(kRogue));
  EXPECT_EQ(campus_.Where(), kNobody);
}

TEST_F(Announced, StrangeNumbersOfALiarDoNoHarm) {
  Announcement early = DefaultRoute(kRogue);
  early.first_heard = WallTime{};
  Announcement late = DefaultRoute("10.30.0.67");
  late.first_heard = campus_.now().wall + 24h * 365 * 100;
  Announcement old = DefaultRoute("10.30.0.68");
  old.age = 24h * 365;
  campus_.RestartCollector();
  campus_.Run(4s);
  campus_.Inject(campus_.IndexOf("mail1"), {early, late, old});
  campus_.BeginTrouble();
  campus_.Run(2min);
  EXPECT_EQ(campus_.Where(), "10.30.0.1 -> 10.30.0.67, likely")
      << "of what it says of itself, only the latest is worth anything; the others are old";
}

}  // namespace
}  // namespace parallax::collector
