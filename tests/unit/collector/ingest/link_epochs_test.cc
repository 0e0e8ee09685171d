// Protocol 3: several epochs on one stream, refusals by name, quotas; and the versions beside it.
#include "tests/unit/collector/ingest/link_world.h"

namespace parallax::collector {
namespace {

using testing::ElementsAre;

v1::FromSensor BatchMessage(uint64_t epoch, uint64_t first, uint64_t last) {
  v1::FromSensor message;
  *message.mutable_batch() =
      sensor::BatchOf(first, NumberedRange(first, last), sensor::BatchForm::kColumns);
  message.mutable_batch()->set_epoch(epoch);
  return message;
}

v1::FromSensor HelloMessage(const std::vector<uint64_t>& epochs, uint32_t lowest = 2,
                            uint32_t highest = 3) {
  v1::FromSensor message;
  message.mutable_hello()->set_protocol(lowest);
  message.mutable_hello()->set_highest_protocol(highest);
  message.mutable_hello()->set_epoch(4711);
  for (const uint64_t epoch : epochs) {
    message.mutable_hello()->add_epochs(epoch);
  }
  return message;
}

class LinkEpochs : public testing::Test {
 protected:
  TestCollector collector;

  std::unique_ptr<RawSensor> Sensor() {
    return std::make_unique<RawSensor>(collector.address(), SharedCampus().Sensor("a"));
  }
};

TEST_F(LinkEpochs, EachEpochIsNumberedAndAcknowledgedByItself) {
  const auto sensor = Sensor();
  ASSERT_TRUE(sensor->Send(HelloMessage({10, 20})));
  const auto welcome = sensor->Read();
  ASSERT_TRUE(welcome && welcome->has_welcome());
  EXPECT_EQ(welcome->welcome().protocol(), 3u);
  EXPECT_EQ(welcome->welcome().committed_size(), 2);
  ASSERT_TRUE(sensor->Send(BatchMessage(10, 1, 5)));
  ASSERT_TRUE(sensor->Send(BatchMessage(20, 1, 3)));
  ASSERT_TRUE(sensor->Send(BatchMessage(10, 4, 8)));  // two of them again
  ASSERT_TRUE(collector.TakeUntil([&] { return collector.stored["a"].size() == 11; }));
  EXPECT_THAT(collector.stored["a"], ElementsAre(1, 2, 3, 4, 5, 1, 2, 3, 6, 7, 8));
  std::map<uint64_t, uint64_t> acked;
  while (acked[10] < 8 || acked[20] < 3) {
    const auto ack = sensor->Read();
    ASSERT_TRUE(ack && ack->has_ack());
    EXPECT_GE(ack->ack().committed_sequence(), acked[ack->ack().epoch()]);
    acked[ack->ack().epoch()] = ack->ack().committed_sequence();
  }

  const auto again = Sensor();
  ASSERT_TRUE(again->Send(HelloMessage({20, 30, 10})));
  const auto known = again->Read();
  ASSERT_TRUE(known && known->has_welcome());
  std::map<uint64_t, uint64_t> committed;
  for (const v1::Committed& mark : known->welcome().committed()) {
    committed[mark.epoch()] = mark.sequence();
  }
  EXPECT_EQ(committed, (std::map<uint64_t, uint64_t>{{10, 8}, {20, 3}, {30, 0}}));
}

TEST_F(LinkEpochs, WhatIsRefusedIsNamedKeptAndAcknowledged) {
  const auto sensor = Sensor();
  ASSERT_TRUE(sensor->Send(HelloMessage({10})));
  ASSERT_TRUE(sensor->Read());
  v1::FromSensor bad = BatchMessage(10, 1, 5);
  bad.mutable_batch()->mutable_attempts()->clear_isns();
  ASSERT_TRUE(sensor->Send(bad));
  ASSERT_TRUE(collector.TakeUntil([&] { return collector.refused.size() == 1; }));
  EXPECT_EQ(collector.refused[0].sensor, "a");
  EXPECT_EQ(collector.refused[0].refused, 5u);
  EXPECT_EQ(collector.refused[0].body, bad.batch().SerializeAsString());
  bool nack = false;
  bool ack = false;
  while (!nack || !ack) {
    const auto said = sensor->Read();
    ASSERT_TRUE(said);
    if (said->has_nack()) {
      nack = true;
      EXPECT_EQ(said->nack().epoch(), 10u);
      EXPECT_EQ(said->nack().first_sequence(), 1u);
      EXPECT_EQ(said->nack().last_sequence(), 5u);
      EXPECT_THAT(said->nack().reason(), testing::HasSubstr("different lengths"));
    } else if (said->has_ack()) {
      ack = true;
      EXPECT_EQ(said->ack().committed_sequence(), 5u);
    }
  }
  ASSERT_TRUE(sensor->Send(BatchMessage(10, 6, 7)));  // and it goes on
  ASSERT_TRUE(collector.TakeUntilRecord("a", 7));
  EXPECT_THAT(collector.stored["a"], ElementsAre(6, 7));
}

TEST_F(LinkEpochs, TheHighestCommonProtocolHolds) {
  const auto answer = [&](uint32_t lowest, uint32_t highest) -> uint32_t {
    const auto sensor = Sensor();
    sensor->Send(HelloMessage({}, lowest, highest));
    const auto welcome = sensor->Read();
    return welcome ? welcome->welcome().protocol() : 0;
  };
  EXPECT_EQ(answer(2, 0), 2u);  // the version before ours
  EXPECT_EQ(answer(2, 3), 3u);
  EXPECT_EQ(answer(3, 99), 3u);  // one after ours
  EXPECT_EQ(answer(4, 99), 0u);
  EXPECT_EQ(answer(1, 1), 0u);
}

TEST_F(LinkEpochs, ABacklogOfFormerStartsArrivesBesideWhatIsLive) {
  sensor::SpoolOptions options = TestSpoolOptions(100);
  TestSensor sensor("a", {{"127.0.0.1", 1}}, {}, 100);  // nobody there
  sensor.Append(1, 50);
  sensor.spool.Turn(1);
  sensor.Append(51, 60);
  sensor.Stop();
  sensor::LinkOptions link;
  link.addresses = {collector.address()};
  link.identity = std::make_shared<IdentityHolder>(SharedCampus().Sensor("a"));
  link.hello.protocol = kLinkProtocol;
  sensor::LinkClient client(
      link, sensor.spool, [] { return SensorHealth{}; }, [](const Order&) {});
  std::thread thread([&] { client.Run(); });
  EXPECT_TRUE(collector.TakeUntil([&] { return collector.stored["a"].size() == 60; }));
  std::vector<uint64_t> stored = collector.stored["a"];
  EXPECT_EQ(stored[0], 51u) << "live first";
  std::sort(stored.begin(), stored.end());
  EXPECT_EQ(stored, Count(1, 60));
  EXPECT_TRUE(Eventually([&] { return sensor.spool.stats().records == 0; }));
  client.Stop();
  thread.join();
}

TEST(LinkQuota, AQuotaHoldsUpItsSensorAndNobodyElse) {
  LinkServerOptions options;
  options.records_per_second = 1'000;
  TestCollector collector(1'000, 0, options);
  RawSensor loud(collector.address(), SharedCampus().Sensor("loud"));
  ASSERT_TRUE(loud.Send(HelloMessage({10})));
  ASSERT_TRUE(loud.Read());
  std::atomic<bool> over = false;
  std::thread flood([&] {
    for (uint64_t first = 1; !over && loud.Send(BatchMessage(10, first, first + 999));
         first += 1'000) {
    }
  });
  ASSERT_TRUE(collector.TakeUntil([&] { return collector.stored["loud"].size() >= 3'000; }));
  const MonoTime begun = Now().mono;
  const size_t before = collector.stored["loud"].size();
  ExpectAGoodSensorWorks(collector);
  ASSERT_TRUE(
      collector.TakeUntil([&] { return collector.stored["loud"].size() >= before + 4'000; }));
  // Twice as fast as allowed would be one second less than this.
  EXPECT_GT(ToSeconds(Now().mono - begun), 2.0);
  over = true;
  loud.Cancel();
  flood.join();
}

// A collector of the version before ours: one epoch, rows, no more than it knows.
class OldCollector final : public v1::SensorLink::Service {
 public:
  grpc::Status Session(grpc::ServerContext*,
                       grpc::ServerReaderWriter<v1::ToSensor, v1::FromSensor>* stream) override {
    v1::FromSensor in;
    if (!stream->Read(&in) || in.hello().protocol() != 2) {
      return {grpc::StatusCode::FAILED_PRECONDITION, "link protocol is not spoken here"};
    }
    v1::ToSensor out;
    const uint64_t epoch = in.hello().epoch();
    std::unique_lock lock(mutex);
    out.mutable_welcome()->set_protocol(2);
    out.mutable_welcome()->set_committed_sequence(committed[epoch]);
    lock.unlock();
    stream->Write(out);
    while (stream->Read(&in)) {
      if (!in.has_batch()) {
        continue;
      }
      lock.lock();
      const v1::Batch& batch = in.batch();
      EXPECT_FALSE(batch.has_attempts());
      EXPECT_GT(batch.records_size(), 0);
      for (int i = 0; i < batch.records_size(); ++i) {
        const uint64_t sequence = batch.first_sequence() + static_cast<uint64_t>(i);
        if (sequence > committed[epoch]) {
          EXPECT_TRUE(batch.records(i).has_attempt());
          stored.push_back(batch.records(i).attempt().isn());
          committed[epoch] = sequence;
        }
      }
      out.Clear();
      out.mutable_ack()->set_committed_sequence(committed[epoch]);
      const bool hang_up = ++batches % 5 == 0 && batches <= 15;
      lock.unlock();
      if (hang_up) {  // the acknowledgement gets lost
        return grpc::Status::OK;
      }
      stream->Write(out);
    }
    return grpc::Status::OK;
  }

  std::mutex mutex;
  std::map<uint64_t, uint64_t> committed;
  std::vector<uint64_t> stored;
  int batches = 0;
};

TEST(LinkVersions, ACollectorOfTheVersionBeforeGetsEverythingOnce) {
  OldCollector old;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(
      "127.0.0.1:0",
      CollectorCredentials(std::make_shared<IdentityHolder>(SharedCampus().Collector())), &port);
  builder.RegisterService(&old);
  const auto server = builder.BuildAndStart();
  TestSensor sensor("a", {{"127.0.0.1", static_cast<uint16_t>(port)}});
  for (uint64_t first = 1; first <= 20'000; first += 100) {
    sensor.Append(first, first + 99);
    if (first % 5'000 == 1) {
      sensor.spool.Append(RecordClass::kEvidence, sensor::Encode(Gap{}), Now());  // unknown to it
    }
  }
  EXPECT_TRUE(Eventually([&] {
    std::lock_guard lock(old.mutex);
    return old.stored.size() >= 20'000;
  }));
  EXPECT_TRUE(Eventually([&] { return sensor.acknowledged() == 20'000; }));
  sensor.Stop();
  server->Shutdown();
  std::sort(old.stored.begin(), old.stored.end());
  EXPECT_EQ(old.stored, Count(1, 20'000));
}

}  // namespace
}  // namespace parallax::collector
