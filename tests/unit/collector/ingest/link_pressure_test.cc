// A slow engine, a stuck collector, ends in the middle of things: bounded, nothing lost or doubled,
// nobody hangs.
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "common/fd.h"
#include "link_world.h"

namespace parallax::collector {
namespace {

using testing::IsEmpty;

// Returns once `count` has stopped growing.
template <typename Counter>
void UntilItRests(const Counter& count) {
  auto last = count.load();
  MonoTime since = Now().mono;
  ASSERT_TRUE(Eventually([&] {
    if (count.load() != last) {
      last = count.load();
      since = Now().mono;
    }
    return Now().mono - since > 300ms;
  }));
}

TEST(LinkPressure, AFullQueueStopsTheReadingAndResumeMakesItGoOn) {
  constexpr uint64_t kBatches = 300;
  constexpr uint64_t kEach = 200;  // about 15 KB
  constexpr uint64_t kMostUnderWay = 40;
  TestCollector collector(1);
  RawSensor sensor(collector.address(), SharedCampus().Sensor("a"));
  ASSERT_TRUE(sensor.Greet());
  std::atomic<uint64_t> written = 0;
  std::jthread writer([&] {
    for (uint64_t i = 0; i < kBatches && sensor.SendRecords(i * kEach + 1, (i + 1) * kEach); ++i) {
      ++written;
    }
  });
  UntilItRests(written);
  EXPECT_EQ(collector.events.size(), 1u);
  EXPECT_LE(written, kMostUnderWay);
  uint64_t most = 0;
  ASSERT_TRUE(collector.TakeUntil([&] {
    most = std::max(most, written - collector.stored["a"].size() / kEach);
    return collector.stored["a"].size() == kBatches * kEach;
  }));
  EXPECT_EQ(collector.stored["a"], Count(1, kBatches * kEach));
  EXPECT_LE(most, kMostUnderWay);
}

TEST(LinkPressure, HeldUpSensorsTakeTurns) {
  TestCollector collector(1);
  RawSensor loud(collector.address(), SharedCampus().Sensor("loud"));
  ASSERT_TRUE(loud.Greet());
  std::atomic<uint64_t> written = 0;
  std::jthread writer([&] {
    while (loud.SendRecords(written * 100 + 1, written * 100 + 100)) {
      ++written;
    }
  });
  UntilItRests(written);
  RawSensor quiet(collector.address(), SharedCampus().Sensor("quiet"));
  ASSERT_TRUE(quiet.Greet());
  ASSERT_TRUE(quiet.SendRecords(1, 1));
  int taken = 0;
  ASSERT_TRUE(collector.TakeUntil([&] {
    taken = static_cast<int>(collector.stored["loud"].size() / 100);
    return !collector.stored["quiet"].empty();
  }));
  EXPECT_LE(taken, 20);
  loud.Cancel();
}

TEST(LinkPressure, ALossIsToldWhenThereIsRoomAgain) {
  TestCollector collector(1);
  for (const char* name : {"a", "b"}) {
    RawSensor sensor(collector.address(), SharedCampus().Sensor(name));
    ASSERT_TRUE(sensor.Greet());
    if (std::string(name) == "a") {
      ASSERT_TRUE(sensor.SendGoodbye());
      EXPECT_TRUE(sensor.End().ok());
    }
  }
  ASSERT_TRUE(collector.TakeUntilGone());
  EXPECT_EQ(collector.gone[0].name, "a");
  EXPECT_TRUE(collector.gone[0].goodbye);
  ExpectAGoodSensorWorks(collector);
}

// Streams end in every state while the engine takes, commits, orders and resumes.
TEST(LinkPressure, StreamsThatComeAndGoLeaveNothingBehind) {
  TestCollector collector(1);
  std::atomic<int> running = 4;
  std::vector<std::jthread> storms;
  for (int i = 0; i < 4; ++i) {
    storms.emplace_back([&, i] {
      const TlsIdentity identity = SharedCampus().Sensor("storm-" + std::to_string(i / 2));
      const auto channel = DialCollector(collector.address(), identity);
      for (int turn = 0; turn < 40; ++turn) {
        RawSensor sensor(channel);
        if (turn % 7 != 0 && !sensor.Greet(static_cast<uint64_t>(i))) {
          continue;
        }
        for (uint64_t n = 0; n < static_cast<uint64_t>(turn % 5); ++n) {
          sensor.SendRecords(n * 50 + 1, n * 50 + 50);
        }
        if (turn % 3 == 0) {
          sensor.SendGoodbye();
          sensor.End();
        }
      }
      --running;
    });
  }
  const ProbeOrder order{1, *IpAddress::Parse("192.0.2.9"), {{ProbeMethod::kIcmpEcho, 0}}, 0s, 1s,
                         1s};
  while (running > 0) {
    // The store of this collector numbers by sensor, and these have two writers each: only take.
    for (LinkEvent& event : collector.events.PopBatch(1, 1ms)) {
      if (auto* batch = std::get_if<IngestedBatch>(&event)) {
        collector.link->Committed(batch->sensor, batch->epoch, batch->first_sequence);
        collector.link->SendOrders(batch->sensor, {order});
      }
    }
    collector.link->Resume();
  }
  storms.clear();
  ASSERT_TRUE(Eventually([&] {
    const bool took = !collector.events.PopBatch(1, 1ms).empty();
    collector.link->Resume();
    return !took;
  }));
  ExpectAGoodSensorWorks(collector);
}

TEST(LinkPressure, StopWithLiveAndHeldUpStreamsDoesNotHang) {
  TestCollector collector(1);
  std::vector<std::unique_ptr<RawSensor>> sensors;
  for (int i = 0; i < 6; ++i) {
    sensors.push_back(std::make_unique<RawSensor>(collector.address(),
                                                  SharedCampus().Sensor("s" + std::to_string(i))));
    if (i > 0) {  // one that never says hello
      ASSERT_TRUE(sensors.back()->Greet());
      sensors.back()->SendRecords(1, 100);
    }
  }
  TestSensor real("real", {collector.address()});
  ASSERT_TRUE(Eventually([&] { return real.healths > 0; }));
  const MonoTime begun = Now().mono;
  collector.link->Stop();
  EXPECT_LT(Now().mono - begun, 10s);
  EXPECT_FALSE(sensors[0]->End().ok());
  EXPECT_FALSE(sensors[1]->End().ok());
  collector.link->Stop();  // again does nothing
}

TEST(LinkPressure, AfterStopReadingNothingComesButAcksGo) {
  TestCollector collector;
  collector.commit = false;
  RawSensor sensor(collector.address(), SharedCampus().Sensor("a"));
  ASSERT_TRUE(sensor.Greet());
  ASSERT_TRUE(sensor.SendRecords(1, 5));
  ASSERT_TRUE(collector.TakeUntilRecord("a", 5));
  collector.link->StopReading();
  ASSERT_TRUE(sensor.SendRecords(6, 9));
  RawSensor late(collector.address(), SharedCampus().Sensor("b"));
  ASSERT_TRUE(late.Greet());
  collector.Commit("a", 5);
  const auto ack = sensor.Read();
  ASSERT_TRUE(ack && ack->has_ack());
  EXPECT_EQ(ack->ack().committed_sequence(), 5u);
  late.Cancel();
  late.End();
  collector.link->Resume();
  EXPECT_EQ(collector.events.size(), 0u);
}

TEST(LinkPressure, ASensorStopsAlthoughTheCollectorIsStuck) {
  TestCollector collector(1);  // and nobody takes
  TestSensor sensor("a", {collector.address()});
  ASSERT_TRUE(Eventually([&] { return sensor.healths > 0; }));
  sensor.Append(1, 20'000);  // about 1.5 MB: more than the stream takes unread
  EXPECT_LT(sensor.Stop(), 6s);
  EXPECT_GT(sensor.spool.stats().records, 0u);
}

TEST(LinkPressure, ASensorStopsAlthoughNobodyListens) {
  TestSensor sensor("a", {{"127.0.0.1", 1}});
  EXPECT_LT(sensor.Stop(), 3s);
}

// Sockets that the kernel connects and nobody ever accepts from; when the line is full, the kernel
// does not even answer. Both are what a sensor meets whose collector hangs, or is firewalled.
TEST(LinkPressure, ASensorStopsAlthoughNobodyAnswers) {
  const UniqueFd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  auto* any = reinterpret_cast<sockaddr*>(&at);
  ASSERT_EQ(bind(listener.get(), any, size), 0);
  ASSERT_EQ(listen(listener.get(), 0), 0);
  ASSERT_EQ(getsockname(listener.get(), any, &size), 0);
  const HostPort address{"127.0.0.1", ntohs(at.sin_port)};
  {
    TestSensor connected("a", {address});
    pollfd pending{listener.get(), POLLIN, 0};
    ASSERT_EQ(poll(&pending, 1, 30'000), 1);  // it is connected, and waits for us to speak TLS
    EXPECT_LT(connected.Stop(), 3s);
  }
  std::vector<UniqueFd> fillers;
  for (int i = 0; i < 4; ++i) {
    fillers.emplace_back(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    static_cast<void>(connect(fillers.back().get(), any, size));
  }
  TestSensor unanswered("a", {address});
  EXPECT_LT(unanswered.Stop(), 3s);

  // And it does not keep a sensor from the next address for long.
  TestCollector collector;
  TestSensor patient("b", {address, collector.address()});
  EXPECT_TRUE(collector.TakeUntilConnected());
}

}  // namespace
}  // namespace parallax::collector
