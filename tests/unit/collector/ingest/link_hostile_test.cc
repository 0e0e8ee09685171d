// A peer with a good certificate and bad manners, and peers without even that. Each is shown the
// door; a good sensor beside it and after it notices nothing.
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

#include "common/fd.h"
#include "link_world.h"

namespace parallax::collector {
namespace {

using grpc::StatusCode;
using testing::IsEmpty;

class LinkHostile : public testing::Test {
 protected:
  LinkHostile() : bystander_("bystander", {collector.address()}) {
    EXPECT_TRUE(collector.TakeUntilConnected());
  }
  void TearDown() override {
    bystander_.Append(1, 3);
    EXPECT_TRUE(collector.TakeUntilRecord("bystander", 3));
    for (const SensorDisconnected& gone : collector.gone) {
      EXPECT_NE(gone.name, "bystander");
    }
    ExpectAGoodSensorWorks(collector);
  }
  std::unique_ptr<RawSensor> Evil() {
    return std::make_unique<RawSensor>(collector.address(), SharedCampus().Sensor("evil"));
  }

  TestCollector collector;

 private:
  TestSensor bystander_;
};

UniqueFd Connect(const HostPort& address) {
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  at.sin_port = htons(address.port);
  EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
  return fd;
}

TEST_F(LinkHostile, BytesThatAreNoTls) {
  std::string noise;
  for (int i = 0; i < 20'000; ++i) {
    noise.push_back(static_cast<char>(i * 2'654'435'761u >> 13));
  }
  const std::vector<std::string> greetings = {
      "",
      "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
      std::string("\x16\x03\x01\xff\xff\x01", 6) + std::string(70'000, '\0'),
      std::string("\x16\x03\x01", 3),  // and no more
      noise};
  std::vector<UniqueFd> open;
  for (int i = 0; i < 5; ++i) {
    for (const std::string& greeting : greetings) {
      open.push_back(Connect(collector.address()));
      static_cast<void>(
          send(open.back().get(), greeting.data(), greeting.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
    }
  }
  ExpectAGoodSensorWorks(collector);  // while they hang on the line
}

TEST_F(LinkHostile, TheFirstMessageIsNoHello) {
  {
    auto evil = Evil();
    evil->SendRecords(1, 5);
    EXPECT_EQ(evil->End().error_code(), StatusCode::FAILED_PRECONDITION);
  }
  {
    auto evil = Evil();
    evil->SendGoodbye();
    EXPECT_EQ(evil->End().error_code(), StatusCode::FAILED_PRECONDITION);
  }
  {
    auto evil = Evil();
    evil->Send({});
    EXPECT_EQ(evil->End().error_code(), StatusCode::FAILED_PRECONDITION);
  }
  EXPECT_TRUE(collector.stored["evil"].empty());
}

TEST_F(LinkHostile, ASecondHello) {
  auto evil = Evil();
  ASSERT_TRUE(evil->Greet());
  evil->SendHello();
  EXPECT_EQ(evil->End().error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_TRUE(collector.TakeUntilGone());
}

TEST_F(LinkHostile, AnotherProtocol) {
  for (const uint32_t protocol : {0u, kLinkProtocol + 1, UINT32_MAX}) {
    auto evil = Evil();
    evil->SendHello(1, protocol);
    const grpc::Status status = evil->End();
    EXPECT_EQ(status.error_code(), StatusCode::FAILED_PRECONDITION);
    EXPECT_NE(status.error_message().find("upgrade"), std::string::npos) << status.error_message();
  }
}

TEST_F(LinkHostile, AMessageThatIsTooBig) {
  auto evil = Evil();
  ASSERT_TRUE(evil->Greet());
  v1::FromSensor message;
  *message.mutable_batch() = sensor::BatchOf(1, NumberedRange(1, 1));
  message.mutable_batch()->mutable_records(0)->mutable_attempt()->set_rule(
      std::string((1 << 20) + 1, 'x'));
  evil->Send(message);
  EXPECT_EQ(evil->End().error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(collector.TakeUntilGone());
  EXPECT_TRUE(collector.stored["evil"].empty());
}

TEST_F(LinkHostile, BatchesThatMakeNoSense) {
  const auto refused = [&](uint64_t first, uint64_t records) {
    auto evil = Evil();
    ASSERT_TRUE(evil->Greet());
    v1::FromSensor message;
    v1::Record record;  // small: 5,001 real ones fit as well
    auto* batch = message.mutable_batch();
    batch->set_first_sequence(first);
    for (; records > 0; --records) {
      batch->add_records();
    }
    evil->Send(message);
    EXPECT_EQ(evil->End().error_code(), StatusCode::INVALID_ARGUMENT) << first;
  };
  refused(1, 0);
  refused(0, 1);
  refused(UINT64_MAX, 1);
  refused(INT64_MAX, 1);
  EXPECT_TRUE(collector.TakeUntilGone(4));
  EXPECT_TRUE(collector.stored["evil"].empty());
}

TEST_F(LinkHostile, ALeapToTheLastSequenceHarmsOnlyItself) {
  auto evil = Evil();
  ASSERT_TRUE(evil->Greet());
  v1::FromSensor message;
  *message.mutable_batch() = sensor::BatchOf(INT64_MAX - 1'000, {Numbered(0)});
  message.mutable_batch()->mutable_records(0)->clear_attempt();
  ASSERT_TRUE(evil->Send(message));
  const auto ack = evil->Read();
  ASSERT_TRUE(ack && ack->has_ack());
  EXPECT_EQ(ack->ack().committed_sequence(), uint64_t{INT64_MAX} - 1'000);
  ASSERT_TRUE(evil->SendRecords(1, 5));  // all old
  ASSERT_TRUE(evil->SendGoodbye());
  EXPECT_TRUE(evil->End().ok());
  EXPECT_TRUE(collector.TakeUntilGone());
  EXPECT_TRUE(collector.stored["evil"].empty());
}

TEST_F(LinkHostile, BatchesThatFallApartIntoManyRuns) {
  auto evil = Evil();
  ASSERT_TRUE(evil->Greet());
  std::vector<uint64_t> good;
  v1::FromSensor message;
  *message.mutable_batch() = sensor::BatchOf(1, NumberedRange(1, 900));
  for (int i = 0; i < 900; ++i) {
    if (i % 2 == 0) {
      message.mutable_batch()->mutable_records(i)->clear_attempt();
    } else {
      good.push_back(static_cast<uint64_t>(i) + 1);
    }
  }
  ASSERT_TRUE(evil->Send(message));
  ASSERT_TRUE(collector.TakeUntilRecord("evil", 900));
  EXPECT_EQ(collector.stored["evil"], good);
}

TEST_F(LinkHostile, AFloodOfHealthReportsIsThinnedOut) {
  auto evil = Evil();
  ASSERT_TRUE(evil->Greet());
  v1::FromSensor message;
  message.mutable_health();
  std::jthread flood([&] {
    for (int i = 0; i < 10'000; ++i) {
      ASSERT_TRUE(evil->Send(message));
    }
    evil->SendRecords(1, 1);
  });
  ASSERT_TRUE(collector.TakeUntilRecord("evil", 1));
  EXPECT_GE(collector.healths["evil"], 1);
  EXPECT_LT(collector.healths["evil"], 1'000);
}

TEST_F(LinkHostile, WhoNeverSaysHelloIsShownTheDoor) {
  TestCollector impatient(100, 0, {.marks = {}, .hello_within = 50ms});
  RawSensor mute(impatient.address(), SharedCampus().Sensor("mute"));
  std::jthread engine([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      impatient.TakeOne();
    }
  });
  EXPECT_EQ(mute.End().error_code(), StatusCode::CANCELLED);
}

TEST_F(LinkHostile, OneSensorHasFewStreams) {
  std::vector<std::unique_ptr<RawSensor>> many;
  std::vector<std::jthread> readers;
  std::atomic<int> refused = 0;
  for (int i = 0; i < 6; ++i) {
    many.push_back(Evil());
    readers.emplace_back([&, sensor = many.back().get()] {
      refused += sensor->End().error_code() == StatusCode::RESOURCE_EXHAUSTED ? 1 : 0;
    });
  }
  EXPECT_TRUE(Eventually([&] { return refused == 2; }));
  for (const auto& sensor : many) {
    sensor->Cancel();
  }
  readers.clear();
  EXPECT_EQ(refused, 2);
}

}  // namespace
}  // namespace parallax::collector
