// What sensors say of servers that draw too many attempts: noted once per change, and stored.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "collector/detect/engine.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using Notes = std::vector<std::string>;

class Servers : public testing::Test {
 protected:
  void SetUp() override { Connect("mail1"); }

  void Connect(const std::string& name) {
    SensorHello hello;
    sequence_ = 0;
    engine_.OnConnected(name, name, std::nullopt, hello, now_);
    engine_.Take();
  }
  // Heartbeats of mail1 and ticks; what is noted meanwhile.
  Notes Pass(Duration time) {
    Notes notes;
    for (Duration done{}; done < time; done += 2s) {
      now_ = now_ + 2s;
      engine_.OnHealth("mail1", Healthy(), now_);
      engine_.Tick(now_);
      for (std::string& note : engine_.Take().notes) {
        notes.push_back(std::move(note));
      }
    }
    return notes;
  }
  Notes Tell(const std::string& sensor, std::vector<Record> records) {
    const size_t count = records.size();
    engine_.OnBatch({sensor, epoch_, sequence_ + 1, now_.wall, std::move(records)}, now_);
    sequence_ += count;
    const Actions actions = engine_.Take();
    EXPECT_THAT(actions.orders, IsEmpty());
    EXPECT_THAT(actions.store, SizeIs(1));
    return actions.notes;
  }
  static SensorHealth Healthy() {
    SensorHealth health;
    health.probing = true;
    return health;
  }
  static ServerReport Report(bool aggregate, const char* server = "192.0.2.25") {
    ServerReport report;
    report.server = *IpAddress::Parse(server);
    report.aggregate = aggregate;
    report.sampling = aggregate ? 64 : 1;
    report.syn_rate = aggregate ? 120'000 : 8.26;
    report.usual_rate = 7;
    report.age = 1s;
    return report;
  }

  Moment now_{MonoTime(100h), WallTime(400'000h)};
  Engine engine_{{}, {}, 1, now_};
  uint64_t epoch_ = 0;
  uint64_t sequence_ = 0;
};

constexpr const char* kIn =
    "sensor mail1: server 192.0.2.25 draws 120000.0 SYN/s, usually 7.0: "
    "1 attempt in 64 is followed";
constexpr const char* kOut =
    "sensor mail1: server 192.0.2.25 is down to 8.3 SYN/s: every attempt is followed";
constexpr const char* kGone =
    "sensor mail1: server 192.0.2.25 is told of no more: every attempt is followed";

TEST_F(Servers, AreNotedOnceOnTheWayInAndOnceOnTheWayOut) {
  EXPECT_THAT(Tell("mail1", {Report(false)}), IsEmpty());
  EXPECT_THAT(Tell("mail1", {Report(true), Report(true)}), ElementsAre(kIn));
  for (int i = 0; i < 12; ++i) {
    EXPECT_THAT(Pass(10s), IsEmpty());
    EXPECT_THAT(Tell("mail1", {Report(true)}), IsEmpty());
  }
  EXPECT_THAT(Tell("mail1", {Report(false)}), ElementsAre(kOut));
  EXPECT_THAT(Tell("mail1", {Report(false)}), IsEmpty());
  EXPECT_THAT(Tell("mail1", {Report(true)}), ElementsAre(kIn));
}

TEST_F(Servers, AreTheSensorsOwn) {
  Connect("web1");
  EXPECT_THAT(Tell("mail1", {Report(true)}), ElementsAre(kIn));
  EXPECT_THAT(Tell("web1", {Report(false)}), IsEmpty());
  EXPECT_THAT(Tell("web1", {Report(true)}), SizeIs(1));
  EXPECT_THAT(Tell("mail1", {Report(true, "2001:db8::25")}), SizeIs(1));
  EXPECT_THAT(Tell("mail1", {Report(false)}), ElementsAre(kOut));
  EXPECT_THAT(Tell("nobody", {Report(true)}), IsEmpty());
}

TEST_F(Servers, ThatAreToldOfNoMoreAreOut) {
  EXPECT_THAT(Tell("mail1", {Report(true)}), ElementsAre(kIn));
  EXPECT_THAT(Pass(58s), IsEmpty());
  EXPECT_THAT(Pass(10s), ElementsAre(kGone));
  EXPECT_THAT(Tell("mail1", {Report(false)}), IsEmpty());
}

TEST_F(Servers, StayInWhileTheirSensorCannotTell) {
  EXPECT_THAT(Tell("mail1", {Report(true)}), ElementsAre(kIn));
  engine_.OnDisconnected("mail1", false, now_);
  now_ = now_ + 10min;
  Connect("mail1");
  EXPECT_THAT(Pass(10s), IsEmpty());
  EXPECT_THAT(Tell("mail1", {Report(true)}), IsEmpty());
  // Unheard on a stream that still stands.
  now_ = now_ + 10min;
  engine_.Tick(now_);
  EXPECT_THAT(engine_.Take().notes, ElementsAre("sensor mail1 is lost: unheard"));
  EXPECT_THAT(Pass(10s), ElementsAre("sensor mail1 is connected"));
  EXPECT_THAT(Tell("mail1", {Report(false)}), ElementsAre(kOut));
}

TEST_F(Servers, WordsOfThePastChangeNothing) {
  ServerReport old = Report(true);
  old.age = 31s;
  EXPECT_THAT(Tell("mail1", {old}), IsEmpty());
  EXPECT_THAT(Tell("mail1", {Report(true)}), ElementsAre(kIn));
  old.aggregate = false;
  EXPECT_THAT(Tell("mail1", {old}), IsEmpty());
  EXPECT_THAT(Tell("mail1", {Report(false)}), ElementsAre(kOut));
}

TEST_F(Servers, OfALyingSensorAreBounded) {
  std::vector<Record> records;
  for (uint8_t i = 0; i < 250; ++i) {
    for (uint8_t j = 1; j < 5; ++j) {
      ServerReport report = Report(true);
      report.server = IpAddress::V4(std::array<uint8_t, 4>{192, 0, j, i});
      report.syn_rate = 1e300;
      records.emplace_back(report);
    }
  }
  EXPECT_THAT(Tell("mail1", records), SizeIs(256));
  EXPECT_THAT(Tell("mail1", records), IsEmpty());
  EXPECT_THAT(Pass(2min), SizeIs(256));
  EXPECT_THAT(Tell("mail1", {Report(true)}), ElementsAre(kIn));
}

}  // namespace
}  // namespace parallax::collector
