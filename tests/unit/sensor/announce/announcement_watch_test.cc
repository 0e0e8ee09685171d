#include "sensor/announce/announcement_watch.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "tests/unit/sensor/capture/announcement_frames.h"

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;
using namespace frames;
using testing::ElementsAre;
using testing::IsEmpty;

const Moment kStart{MonoTime(1000s), FromUnixNanos(1'767'225'600'000'000'000)};

struct Watched {
  explicit Watched(const AnnouncementWatchOptions& options = {}) : watch(options) {}

  // A frame of the table, heard `at` after the start.
  void Hear(Duration at, const Bytes& frame, std::string_view interface = "eth0") {
    const auto packet =
        FindAnnouncement(LinkType::kEthernet, frame, static_cast<uint32_t>(frame.size()));
    ASSERT_TRUE(packet);
    const Moment now = kStart + at;
    watch.Hear({.packet = *packet, .stamp = now.wall, .seen = now.mono, .interface = interface},
               records);
  }
  void Advance(Duration at) { watch.Advance((kStart + at).mono, records); }

  // What was told since the last call: gateway, metric, times, since when, and how old.
  std::vector<std::string> Told() {
    std::vector<std::string> lines;
    for (const Record& record : records) {
      const auto& a = std::get<Announcement>(record);
      lines.push_back(fmt::format(
          "{} {}{} x{} +{} {}", a.gateway.ToString(), a.metric, a.withdrawn ? " withdrawn" : "",
          a.times, FormatDuration(a.first_heard - kStart.wall), FormatDuration(a.age)));
    }
    records.clear();
    return lines;
  }

  AnnouncementWatch watch;
  std::vector<Record> records;
};

Bytes RipFrame(std::string speaker, uint32_t metric = 1, uint8_t mac = 2) {
  Bytes frame = Ethernet(TypeV4(
      Ipv4({.payload = Udp(520, 520, Rip({RipRoute("0.0.0.0", "0.0.0.0", "0.0.0.0", metric)})),
            .src = std::move(speaker),
            .dst = "224.0.0.9",
            .protocol = 17})));
  frame[11] = mac;
  return frame;
}
std::string Speaker(int number) {
  return fmt::format("10.{}.{}.{}", number / 65536, number / 256 % 256, number % 256);
}

TEST(AnnouncementWatch, TellsAtOnceAndThenOnceAMinute) {
  Watched w;
  w.Hear(0s, RipFrame("192.0.2.66"));
  EXPECT_THAT(w.Told(), ElementsAre("192.0.2.66 1 x1 +0s 0s"));
  w.Hear(30s, RipFrame("192.0.2.66"));
  w.Advance(31s);
  EXPECT_THAT(w.Told(), IsEmpty());
  w.Hear(60s, RipFrame("192.0.2.66"));
  EXPECT_THAT(w.Told(), ElementsAre("192.0.2.66 1 x3 +0s 0s"));
  w.Hear(90s, RipFrame("192.0.2.66"));
  w.Hear(119s, RipFrame("192.0.2.66"));
  EXPECT_THAT(w.Told(), IsEmpty());
  w.Hear(180s, RipFrame("192.0.2.66"));
  EXPECT_THAT(w.Told(), ElementsAre("192.0.2.66 1 x6 +0s 0s"));
  EXPECT_EQ(w.watch.stats().told, 3u);
  EXPECT_EQ(w.watch.stats().read.offers, 6u);
}

TEST(AnnouncementWatch, FillsTheRecord) {
  Watched w;
  w.Hear(5s, RipFrame("192.0.2.66", 7), "eth1");
  ASSERT_EQ(w.records.size(), 1u);
  EXPECT_EQ(std::get<Announcement>(w.records[0]),
            (Announcement{.kind = AnnouncementKind::kRip,
                          .speaker = *IpAddress::Parse("192.0.2.66"),
                          .speaker_link = "02:00:00:00:00:02",
                          .gateway = *IpAddress::Parse("192.0.2.66"),
                          .prefix = Prefix(),
                          .withdrawn = false,
                          .metric = 7,
                          .interface = "eth1",
                          .first_heard = (kStart + 5s).wall,
                          .age = {},
                          .times = 1}));
}

TEST(AnnouncementWatch, TellsChangesAtOnceAndCountsAnew) {
  Watched w;
  w.Hear(0s, RipFrame("192.0.2.66", 2));
  w.Hear(5s, RipFrame("192.0.2.66", 2));
  w.Hear(10s, RipFrame("192.0.2.66", 4));
  EXPECT_THAT(w.Told(), ElementsAre("192.0.2.66 2 x1 +0s 0s", "192.0.2.66 4 x1 +10s 0s"));
  w.Hear(20s, RipFrame("192.0.2.66", 16));
  EXPECT_THAT(w.Told(), ElementsAre("192.0.2.66 16 withdrawn x1 +20s 0s"));
  w.Hear(85s, RipFrame("192.0.2.66", 16));  // it does not go on
  EXPECT_THAT(w.Told(), IsEmpty());
  w.Hear(90s, RipFrame("192.0.2.66", 2));
  EXPECT_THAT(w.Told(), ElementsAre("192.0.2.66 2 x1 +90s 0s"));
  w.Hear(100s, RipFrame("192.0.2.66", 2, 9));  // another box with the same address
  ASSERT_EQ(w.records.size(), 1u);
  EXPECT_EQ(std::get<Announcement>(w.records[0]).speaker_link, "02:00:00:00:00:09");
}

TEST(AnnouncementWatch, ChangesAreToldAtMostOnceASecond) {
  Watched w;
  w.Hear(0s, RipFrame("192.0.2.66", 1));
  w.Hear(100ms, RipFrame("192.0.2.66", 2));
  w.Hear(200ms, RipFrame("192.0.2.66", 3));
  w.Hear(300ms, RipFrame("192.0.2.66", 3));
  w.Advance(900ms);
  EXPECT_THAT(w.Told(), ElementsAre("192.0.2.66 1 x1 +0s 0s"));
  w.Advance(1s);
  EXPECT_THAT(w.Told(), ElementsAre("192.0.2.66 3 x2 +200ms 700ms"));
  w.Advance(10s);
  EXPECT_THAT(w.Told(), IsEmpty());
  for (int i = 0; i < 1000; ++i) {  // one that changes all the time
    w.Hear(20s + i * 10ms, RipFrame("192.0.2.66", static_cast<uint32_t>(1 + i % 2)));
    w.Advance(20s + i * 10ms);
  }
  EXPECT_LE(w.Told().size(), 10u);
}

TEST(AnnouncementWatch, InterfacesKindsAndPrefixesAreApart) {
  Watched w;
  w.Hear(0s, RipFrame("192.0.2.66"), "eth0");
  w.Hear(0s, RipFrame("192.0.2.66"), "eth1");
  w.Hear(0s, Ethernet(TypeV4(FromRouter4(89, Ospf2()))));
  w.Hear(0s, Ethernet(TypeV4(FromRouter4(1, IcmpRouters({{"192.0.2.66", 0}})))));
  w.Hear(0s, Ethernet(TypeV4(FromRouter4(
                 17, Udp(520, 520, Rip({RipRoute("10.0.0.0", "255.0.0.0", "0.0.0.0", 1)}))))));
  EXPECT_EQ(w.Told().size(), 5u);
}

TEST(AnnouncementWatch, AFloodOfSpeakersDoesNotPushOutTheKnownOnes) {
  Watched w;
  w.Hear(0s, RipFrame("192.0.2.66"));
  w.Hear(30s, RipFrame("192.0.2.66"));
  w.Told();
  Duration at = 40s;
  size_t told = 0;
  size_t of_the_known = 0;
  for (int i = 0; i < 200'000; ++i) {  // 1000 a second
    w.Hear(at, RipFrame(Speaker(i)));
    if (i % 30'000 == 29'999) {
      w.Hear(at, RipFrame("192.0.2.66"));
    }
    at += 1ms;
    for (const std::string& line : w.Told()) {
      (line.starts_with("192.0.2.66") ? of_the_known : told) += 1;
    }
  }
  EXPECT_GE(of_the_known, 3u);
  EXPECT_GE(told, 64u);
  EXPECT_LE(told, 16u + 201u);
  const AnnouncementWatchStats stats = w.watch.stats();
  EXPECT_GT(stats.held_back + stats.no_room, 199'000u);
  // It is still the same announcement.
  w.Hear(at + 60s, RipFrame("192.0.2.66"));
  EXPECT_THAT(w.Told(), ElementsAre(testing::HasSubstr("192.0.2.66 1 x9 +0s")));
}

TEST(AnnouncementWatch, AFloodOfOneKindLeavesTheOthersAlone) {
  Watched w;
  for (int i = 0; i < 10'000; ++i) {
    w.Hear(i * 1ms, RipFrame(Speaker(i)));
  }
  w.Told();
  w.Hear(10s, Ethernet(TypeV4(FromRouter4(89, Ospf2()))));
  EXPECT_EQ(w.Told().size(), 1u);
}

TEST(AnnouncementWatch, FullTableGivesWayToNewOnesInTime) {
  Watched w({.entries = 4, .new_at_once = 100, .new_per_second = 100});
  for (int i = 0; i < 4; ++i) {
    w.Hear(i * 1s, RipFrame(Speaker(i)));
  }
  w.Hear(10s, RipFrame(Speaker(0)));  // heard twice
  EXPECT_EQ(w.Told().size(), 4u);
  w.Hear(60s, RipFrame("192.0.2.1"));  // the others are not old enough
  EXPECT_THAT(w.Told(), IsEmpty());
  EXPECT_EQ(w.watch.stats().no_room, 1u);
  w.Hear(61s, RipFrame("192.0.2.1"));
  EXPECT_EQ(w.Told().size(), 1u);  // in the place of number 1
  w.Hear(62s, RipFrame(Speaker(1)));
  EXPECT_EQ(w.Told().size(), 1u);  // in the place of number 2
  w.Hear(69s, RipFrame(Speaker(0)));
  w.Hear(69s, RipFrame(Speaker(3)));
  // Both still known.
  EXPECT_THAT(w.Told(), ElementsAre("10.0.0.0 1 x3 +0s 0s", "10.0.0.3 1 x2 +3s 0s"));
}

TEST(AnnouncementWatch, HeardAgainAfterAnHourIsNew) {
  Watched w;
  w.Hear(0s, RipFrame("192.0.2.66"));
  w.Hear(1s, RipFrame("192.0.2.66"));
  w.Told();
  w.Hear(2h, RipFrame("192.0.2.66"));
  EXPECT_THAT(w.Told(), ElementsAre("192.0.2.66 1 x1 +2h 0s"));
}

TEST(AnnouncementWatch, ARipSpeakerThatMissedThreeInARowIsNewWhenItIsBack) {
  Watched w;
  w.Hear(0s, RipFrame("192.0.2.66"));
  w.Hear(90s, RipFrame("192.0.2.66"));
  EXPECT_THAT(w.Told(), ElementsAre("192.0.2.66 1 x1 +0s 0s", "192.0.2.66 1 x2 +0s 0s"));
  w.Hear(191s, RipFrame("192.0.2.66"));
  EXPECT_THAT(w.Told(), ElementsAre("192.0.2.66 1 x1 +191s 0s"));
}

TEST(AnnouncementWatch, SegmentsOutOfOrderDoNoHarm) {
  Watched w;
  w.Hear(10s, RipFrame("192.0.2.66"));
  w.Hear(9s, RipFrame("192.0.2.66"));
  w.Hear(9s, RipFrame("192.0.2.66", 5));
  w.Advance(9s);
  w.Advance(11s);
  EXPECT_EQ(w.Told().size(), 2u);
}

}  // namespace
}  // namespace parallax::sensor
