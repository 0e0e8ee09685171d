// Live capture on loopback, where the kernel lets us; the rest is for tests/e2e/capture_live.sh.
#include "sensor/capture/live_capture.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <thread>

#include "common/fd.h"

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

TEST(LiveCapture, NoInterfaceAndMissingInterface) {
  const auto none = LiveCapture::Open({});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::kUsage);
  LiveCaptureOptions options;
  options.interfaces = {"no-such-if"};
  const auto missing = LiveCapture::Open(options);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(missing.error().message, HasSubstr("no interface named \"no-such-if\""));
}

// A port of loopback that nobody listens on: connecting gives one SYN and one RST.
uint16_t KnockOnLoopback() {
  const UniqueFd taken(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  bind(taken.get(), reinterpret_cast<sockaddr*>(&address), size);  // bound, not listening
  getsockname(taken.get(), reinterpret_cast<sockaddr*>(&address), &size);
  const UniqueFd knock(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_NE(connect(knock.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  return ntohs(address.sin_port);
}

TEST(LiveCapture, SeesRealSegmentsOnLoopbackOnce) {
  LiveCaptureOptions options;
  options.interfaces = {"lo"};
  auto capture = LiveCapture::Open(options);
  if (!capture) {
    GTEST_SKIP() << capture.error().message;
  }
  if ((*capture)->Health()[0].state != "up") {
    GTEST_SKIP() << "loopback is down";
  }
  const uint16_t port = KnockOnLoopback();
  int syns = 0;
  int resets = 0;
  Duration most_off{};
  std::atomic<bool> stop = false;
  const MonoTime deadline = Now().mono + 10s;
  LiveCapture::Handlers handlers;
  handlers.segment = [&](const CapturedSegment& c) {
    EXPECT_EQ(c.interface, "lo");
    if (c.segment.dst.port == port && c.segment.IsSyn()) {
      ++syns;
      const Moment now = Now();
      most_off = std::max(most_off, now.wall - c.stamp);
      EXPECT_LE(c.seen, now.mono);
    }
    resets += c.segment.src.port == port && c.segment.Has(kTcpRst) ? 1 : 0;
  };
  handlers.loss = [](const CaptureLoss& loss) { ADD_FAILURE() << loss.packets << " lost"; };
  handlers.idle = [&](const Moment& now) { stop = resets > 0 || now.mono > deadline; };
  (*capture)->Run(handlers, stop);
  EXPECT_EQ(syns, 1);
  EXPECT_EQ(resets, 1);
  EXPECT_LT(most_off, 10s);
  const auto health = (*capture)->Health();
  ASSERT_EQ(health.size(), 1u);
  EXPECT_GE(health[0].packets_received, 2u);
  EXPECT_EQ(health[0].packets_dropped, 0u);
}

// To RIP's port, longer than any SYN; port 519 is nobody's business.
void SpeakOnLoopback() {
  const UniqueFd speaker(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const std::vector<char> words(600, 7);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  for (const uint16_t port : {uint16_t{519}, uint16_t{520}}) {
    address.sin_port = htons(port);
    sendto(speaker.get(), words.data(), words.size(), 0,
           reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }
}

TEST(LiveCapture, HearsAnnouncementsIfAsked) {
  for (const AnnouncementScope scope : {AnnouncementScope::kAll, AnnouncementScope::kNone}) {
    LiveCaptureOptions options;
    options.interfaces = {"lo"};
    options.announcements = scope;
    auto capture = LiveCapture::Open(options);
    if (!capture) {
      GTEST_SKIP() << capture.error().message;
    }
    if ((*capture)->Health()[0].state != "up") {
      GTEST_SKIP() << "loopback is down";
    }
    SpeakOnLoopback();
    KnockOnLoopback();
    int heard = 0;
    bool knocked = false;
    std::atomic<bool> stop = false;
    const MonoTime deadline = Now().mono + 10s;
    LiveCapture::Handlers handlers;
    handlers.segment = [&](const CapturedSegment&) { knocked = true; };
    handlers.loss = [](const CaptureLoss& loss) { ADD_FAILURE() << loss.packets << " lost"; };
    handlers.idle = [&](const Moment& now) { stop = knocked || now.mono > deadline; };
    handlers.announcement = [&](const CapturedAnnouncement& captured) {
      ++heard;
      EXPECT_EQ(captured.packet.protocol, AnnouncementProtocol::kRip);
      EXPECT_EQ(captured.packet.body.size(), 608u);
      EXPECT_EQ(captured.packet.cut_off, 0u);
      EXPECT_FALSE(captured.packet.link_source);
      EXPECT_EQ(captured.interface, "lo");
      EXPECT_LE(captured.seen, Now().mono);
    };
    (*capture)->Run(handlers, stop);
    EXPECT_TRUE(knocked);
    EXPECT_EQ(heard, scope == AnnouncementScope::kAll ? 1 : 0);
  }
}

TEST(LiveCapture, HealthMayBeReadWhileItRuns) {
  LiveCaptureOptions options;
  options.interfaces = {"lo"};
  auto capture = LiveCapture::Open(options);
  if (!capture) {
    GTEST_SKIP() << capture.error().message;
  }
  std::atomic<bool> stop = false;
  std::atomic<int> idles = 0;
  std::thread runner([&] {
    (*capture)->Run({.segment = [](const CapturedSegment&) {},
                     .loss = [](const CaptureLoss&) {},
                     .idle = [&](const Moment&) { ++idles; }},
                    stop);
  });
  while (idles < 5) {
    EXPECT_EQ((*capture)->Health().size(), 1u);
    std::this_thread::yield();
  }
  stop = true;
  runner.join();
}

}  // namespace
}  // namespace parallax::sensor
