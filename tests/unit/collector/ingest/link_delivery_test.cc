// What a sensor sends arrives: in order, once, and acknowledged when it is committed.
#include "link_world.h"

namespace parallax::collector {
namespace {

using testing::IsEmpty;

TEST(LinkDelivery, ConnectedSaysWhoTheCertificateSays) {
  TestCollector collector;
  TestSensor sensor("mail-1", {collector.address()});
  ASSERT_TRUE(collector.TakeUntilConnected());
  const SensorConnected& up = collector.connected[0];
  EXPECT_EQ(up.name, "mail-1");
  EXPECT_EQ(up.group, "group-of-mail-1");
  ASSERT_TRUE(up.address);
  EXPECT_EQ(up.address->ToString(), "127.0.0.1");
  EXPECT_EQ(up.hello.version, "test");
  EXPECT_THAT(up.hello.epochs, testing::SizeIs(1));  // nothing waits yet
  EXPECT_EQ(up.hello.addresses.size(), 1u);
  EXPECT_EQ(up.hello.local_networks.size(), 1u);
  EXPECT_TRUE(collector.TakeUntil([&] { return collector.healths["mail-1"] > 0; }));
}

TEST(LinkDelivery, AnIpv4CallerOnADualStackPortIsIpv4) {
  TestCollector collector(10, 0, {}, SharedCampus().Collector(), "::");
  TestSensor sensor("a", {collector.address()});
  ASSERT_TRUE(collector.TakeUntilConnected());
  ASSERT_TRUE(collector.connected[0].address);
  EXPECT_EQ(collector.connected[0].address->ToString(), "127.0.0.1");
}

TEST(LinkDelivery, TheNextAddressIsTriedAtOnce) {
  TestCollector collector;
  const HostPort nobody{"127.0.0.1", 1};
  TestSensor sensor("a", {nobody, nobody, collector.address()});
  EXPECT_TRUE(collector.TakeUntilConnected());
}

TEST(LinkDelivery, AcksOnlyWhatIsCommitted) {
  TestCollector collector;
  collector.commit = false;
  TestSensor sensor("a", {collector.address()});
  sensor.Append(1, 100);
  ASSERT_TRUE(collector.TakeUntilRecord("a", 100));
  // A health message that was sent later has come by, and still no ack.
  const int seen = collector.healths["a"];
  ASSERT_TRUE(collector.TakeUntil([&] { return collector.healths["a"] > seen; }));
  EXPECT_EQ(sensor.acknowledged(), 0u);
  EXPECT_EQ(sensor.spool.stats().records, 100u);
  collector.Commit("a", 60);
  EXPECT_TRUE(Eventually([&] { return sensor.spool.stats().records == 40; }));
  EXPECT_EQ(sensor.acknowledged(), 60u);
  collector.link->Committed("a", 12345, 100);  // another start of the sensor
  collector.link->Committed("nobody", 1, 100);
  collector.Commit("a", 61);
  EXPECT_TRUE(Eventually([&] { return sensor.acknowledged() == 61; }));
}

TEST(LinkDelivery, ManyRecordsComeOnceAndInOrder) {
  constexpr uint64_t kMany = 50'000;  // more than the window
  TestCollector collector(3);
  TestSensor sensor("a", {collector.address()});
  sensor.Append(1, 1);
  ASSERT_TRUE(collector.TakeUntilRecord("a", 1));  // what comes from now on does not wait for it
  sensor.Append(2, kMany);
  ASSERT_TRUE(collector.TakeUntilRecord("a", kMany));
  EXPECT_EQ(collector.stored["a"], Count(1, kMany));
  EXPECT_TRUE(Eventually([&] { return sensor.spool.stats().records == 0; }));
}

TEST(LinkDelivery, ACollectorThatRestartsGetsWhatItHadNotCommitted) {
  std::vector<uint64_t> on_disk;
  auto collector = std::make_unique<TestCollector>();
  const HostPort address = collector->address();
  TestSensor sensor("a", {address});
  for (uint64_t round = 0; round < 3; ++round) {
    // Few enough to wait in one epoch, in order.
    sensor.Append(round * 300 + 1, round * 300 + 300);
    collector->commit = false;
    ASSERT_TRUE(collector->TakeUntilRecord("a", round * 300 + 210));
    // Some of it gets to disk before the end; whether the ack does is left open.
    const uint64_t mark = round * 300 + 150;
    const auto& taken = collector->stored["a"];
    on_disk.insert(on_disk.end(), taken.begin(), std::find(taken.begin(), taken.end(), mark) + 1);
    collector->Commit("a", mark);
    collector.reset();
    LinkServerOptions options;
    options.marks = {{"a", 7, mark}, {"a", 6, 1'000'000}, {"b", 7, 1'000'000}};
    collector = std::make_unique<TestCollector>(1'000, address.port, options);
  }
  ASSERT_TRUE(collector->TakeUntilRecord("a", 900));
  const auto& rest = collector->stored["a"];
  on_disk.insert(on_disk.end(), rest.begin(), rest.end());
  EXPECT_EQ(on_disk, Count(1, 900));
}

TEST(LinkDelivery, ANewStreamReplacesTheOldOneInSilence) {
  TestCollector collector;
  collector.commit = false;
  const TlsIdentity identity = SharedCampus().Sensor("a");
  RawSensor first(collector.address(), identity);
  ASSERT_EQ(first.Greet(), 0u);
  ASSERT_TRUE(first.SendRecords(1, 10));
  ASSERT_TRUE(collector.TakeUntilRecord("a", 10));

  RawSensor second(collector.address(), identity);
  ASSERT_EQ(second.Greet(), 0u);  // nothing is committed yet
  EXPECT_EQ(first.End().error_code(), grpc::StatusCode::CANCELLED);
  ASSERT_TRUE(second.SendRecords(1, 20));
  ASSERT_TRUE(collector.TakeUntilRecord("a", 20));
  EXPECT_EQ(collector.stored["a"], Count(1, 20));
  EXPECT_EQ(collector.connected.size(), 2u);
  EXPECT_THAT(collector.gone, IsEmpty());

  collector.Commit("a", 20);
  const auto ack = second.Read();
  ASSERT_TRUE(ack && ack->has_ack());
  EXPECT_EQ(ack->ack().committed_sequence(), 20u);

  second.Cancel();
  ASSERT_TRUE(collector.TakeUntilGone());
  EXPECT_FALSE(collector.gone[0].goodbye);
  RawSensor third(collector.address(), identity);
  EXPECT_EQ(third.Greet(), 20u);
}

TEST(LinkDelivery, ANewStartOfASensorCountsFromOneAgain) {
  TestCollector collector;
  const TlsIdentity identity = SharedCampus().Sensor("a");
  for (const uint64_t epoch : {3u, 4u, 0u}) {
    RawSensor sensor(collector.address(), identity);
    ASSERT_EQ(sensor.Greet(epoch), 0u);
    ASSERT_TRUE(sensor.SendRecords(1, 5));
    ASSERT_TRUE(collector.TakeUntil([&] { return collector.stored["a"].size() == 5; }));
    EXPECT_EQ(collector.stored["a"], Count(1, 5));
    EXPECT_EQ(collector.epochs["a"], epoch);
    collector.stored.clear();
  }
}

TEST(LinkDelivery, RepeatsAndGaps) {
  TestCollector collector;
  RawSensor sensor(collector.address(), SharedCampus().Sensor("a"));
  ASSERT_EQ(sensor.Greet(), 0u);
  sensor.SendRecords(1, 10);
  sensor.SendRecords(1, 10);
  sensor.SendRecords(5, 12);
  sensor.SendRecords(3, 4);
  sensor.SendRecords(20, 21);  // what a full spool has dropped does not come
  sensor.SendRecords(13, 13);  // and is not taken any more
  sensor.SendRecords(22, 22);
  ASSERT_TRUE(collector.TakeUntilRecord("a", 22));
  std::vector<uint64_t> expected = Count(1, 12);
  expected.insert(expected.end(), {20, 21, 22});
  EXPECT_EQ(collector.stored["a"], expected);
}

// A record that cannot be read must not be sent for ever, nor keep the window shut.
TEST(LinkDelivery, MalformedRecordsAreAcknowledgedWithTheirNeighbours) {
  TestCollector collector;
  collector.commit = false;
  RawSensor sensor(collector.address(), SharedCampus().Sensor("a"));
  ASSERT_EQ(sensor.Greet(), 0u);
  const auto read_ack = [&] {
    const auto message = sensor.Read();
    return message && message->has_ack() ? message->ack().committed_sequence() : 0;
  };
  v1::FromSensor message;
  *message.mutable_batch() = sensor::BatchOf(1, NumberedRange(1, 5));
  message.mutable_batch()->mutable_records(4)->clear_attempt();
  ASSERT_TRUE(sensor.Send(message));
  ASSERT_TRUE(collector.TakeUntilRecord("a", 4));
  message.mutable_batch()->clear_records();
  message.mutable_batch()->set_first_sequence(6);
  message.mutable_batch()->add_records();
  message.mutable_batch()->add_records();
  ASSERT_TRUE(sensor.Send(message));
  message.mutable_health();
  ASSERT_TRUE(sensor.Send(message));
  ASSERT_TRUE(collector.TakeUntil([&] { return collector.healths["a"] > 0; }));
  collector.Commit("a", 2);
  EXPECT_EQ(read_ack(), 2u);
  collector.Commit("a", 4);
  EXPECT_EQ(read_ack(), 7u);
  // With nothing on its way to the disk, there is nothing to wait for.
  message.mutable_batch()->set_first_sequence(8);
  message.mutable_batch()->add_records();
  ASSERT_TRUE(sensor.Send(message));
  EXPECT_EQ(read_ack(), 8u);
}

TEST(LinkDelivery, GoodbyeComesAfterAllThatWasThere) {
  TestCollector collector;
  TestSensor sensor("a", {collector.address()});
  // It has been welcomed once it tells its health; before that it would leave without a word.
  ASSERT_TRUE(collector.TakeUntil([&] { return collector.healths["a"] > 0; }));
  sensor.Append(1, 3'000);
  std::thread stopping([&] { sensor.Stop(); });
  EXPECT_TRUE(collector.TakeUntilGone());
  stopping.join();
  EXPECT_EQ(collector.stored["a"], Count(1, 3'000));
  ASSERT_EQ(collector.gone.size(), 1u);
  EXPECT_EQ(collector.gone[0].name, "a");
  EXPECT_TRUE(collector.gone[0].goodbye);
}

TEST(LinkDelivery, ALossIsNoGoodbye) {
  TestCollector collector;
  {
    RawSensor sensor(collector.address(), SharedCampus().Sensor("a"));
    ASSERT_TRUE(sensor.Greet());
    ASSERT_TRUE(collector.TakeUntilConnected());
  }
  ASSERT_TRUE(collector.TakeUntilGone());
  EXPECT_FALSE(collector.gone[0].goodbye);
}

TEST(LinkDelivery, OrdersReachTheirSensorAndNobodyElse) {
  TestCollector collector;
  TestSensor a("a", {collector.address()});
  TestSensor b("b", {collector.address()});
  ASSERT_TRUE(collector.TakeUntilConnected(2));
  std::vector<Order> orders;
  for (uint64_t id = 1; id <= 500; ++id) {
    const IpAddress target = *IpAddress::Parse("192.0.2.9");
    if (id % 3 == 0) {
      orders.emplace_back(PathOrder{id, target, {ProbeMethod::kIcmpEcho, 0}});
    } else {
      orders.emplace_back(ProbeOrder{id, target, {{ProbeMethod::kIcmpEcho, 0}}, 0s, 1s, 1s});
    }
  }
  std::get<ProbeOrder>(orders[1]).timeout = 0s;  // the sensor refuses this one
  collector.link->SendOrders("a", orders);
  ASSERT_TRUE(Eventually([&] { return a.orders().size() == 499; }));
  orders.erase(orders.begin() + 1);
  EXPECT_EQ(a.orders(), orders);
  EXPECT_THAT(b.orders(), IsEmpty());
  EXPECT_EQ(collector.link->orders_dropped(), 0u);

  collector.link->SendOrders("nobody", orders);
  EXPECT_EQ(collector.link->orders_dropped(), 499u);
  a.Stop();
  ASSERT_TRUE(collector.TakeUntilGone());
  collector.link->SendOrders("a", {orders[0]});
  EXPECT_EQ(collector.link->orders_dropped(), 500u);
}

}  // namespace
}  // namespace parallax::collector
