// The second sending thread, over loopback.
#include "sensor/probe/ports/send_batch.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <iterator>
#include <numeric>
#include <optional>
#include <thread>
#include <vector>

namespace parallax::sensor {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

size_t Threads() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return static_cast<size_t>(std::distance(begin(tasks), end(tasks)));
}

class BatchSenderTest : public testing::Test {
 protected:
  struct Sent {
    uint64_t probe_id = 0;
    int error = 0;
    MonoTime left;
  };

  BatchSenderTest() {
    const IpAddress loopback = *IpAddress::Parse("127.0.0.1");
    reader_.Reset(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    SocketAddress any(loopback, 0, 0);
    EXPECT_EQ(bind(reader_.get(), any.get(), any.size()), 0);
    socklen_t size = SocketAddress::capacity();
    EXPECT_EQ(getsockname(reader_.get(), any.get(), &size), 0);
    here_ = SocketAddress(loopback, any.port(), 0);
    sender_.emplace(UniqueFd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)));
  }

  // A batch of probes `first`, `first` + 1, ...; each packet is its probe's number.
  void Fill(SendBatch& batch, uint8_t first, size_t count) {
    batch.Clear();
    for (size_t i = 0; i < count; ++i) {
      SendBatch::Packet& packet = batch.next();
      packet.probe_id = first + i;
      packet.buffer[0] = static_cast<uint8_t>(packet.probe_id);
      packet.to = here_;
      batch.Commit(std::span(packet.buffer).first(1));
    }
  }

  // Of the next `count` packets, in the order in which they were sent.
  std::vector<Sent> Collected(size_t count) {
    std::vector<Sent> result;
    const MonoTime deadline = Now().mono + seconds(10);
    while (result.size() < count && Now().mono < deadline) {
      sender_->Collect([&result](const SendBatch& batch) {
        for (size_t i = 0; i < batch.size(); ++i) {
          result.push_back({batch.packet(i).probe_id, batch.packet(i).error, batch.LeftAt(i)});
        }
      });
      std::this_thread::yield();
    }
    return result;
  }
  std::vector<uint8_t> Arrived() {
    std::vector<uint8_t> result;
    for (uint8_t byte = 0; recv(reader_.get(), &byte, 1, MSG_DONTWAIT) == 1;) {
      result.push_back(byte);
    }
    return result;
  }

  UniqueFd reader_;
  SocketAddress here_;
  std::optional<BatchSender> sender_;
};

// Capabilities belong to threads: one that is begun too early keeps those that its owner drops.
TEST_F(BatchSenderTest, BeginsItsThreadWhenThereIsSomethingToSend) {
  const size_t before = Threads();
  ASSERT_NE(sender_->Free(), nullptr);
  EXPECT_EQ(Threads(), before + 1);
  sender_.reset();
  EXPECT_EQ(Threads(), before);
}

TEST_F(BatchSenderTest, SendsInOrderAndTellsWhenEachLeft) {
  const MonoTime start = Now().mono;
  std::vector<Sent> all;
  for (size_t first = 0; first < 96; first += SendBatch::kMost) {
    SendBatch* batch = sender_->Free();
    while (batch == nullptr) {  // the ring is full
      const auto some = Collected(1);
      ASSERT_FALSE(some.empty());
      all.insert(all.end(), some.begin(), some.end());
      batch = sender_->Free();
    }
    Fill(*batch, static_cast<uint8_t>(first), SendBatch::kMost);
    sender_->Start();
  }
  const auto rest = Collected(96 - all.size());
  all.insert(all.end(), rest.begin(), rest.end());
  ASSERT_EQ(all.size(), 96u);
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].probe_id, i);
    EXPECT_EQ(all[i].error, 0);
    EXPECT_GE(all[i].left, i == 0 ? start : all[i - 1].left);
    EXPECT_LE(all[i].left, Now().mono);
  }
  std::vector<uint8_t> numbers(96);
  std::iota(numbers.begin(), numbers.end(), uint8_t{0});
  EXPECT_EQ(Arrived(), numbers);
  EXPECT_EQ(sender_->waiting(), 0u);
}

TEST_F(BatchSenderTest, ABatchIsNotFilledBeforeItWasLookedAt) {
  size_t started = 0;
  for (SendBatch* batch = sender_->Free(); batch != nullptr; batch = sender_->Free()) {
    ASSERT_LT(started, 100u);
    Fill(*batch, static_cast<uint8_t>(started), 1);
    sender_->Start();
    ++started;
  }
  EXPECT_GT(started, 1u);
  EXPECT_EQ(Collected(started).size(), started);
  EXPECT_NE(sender_->Free(), nullptr);
}

TEST_F(BatchSenderTest, ErrorsAreOfTheirPackets) {
  SendBatch* const batch = sender_->Free();
  ASSERT_NE(batch, nullptr);
  const SocketAddress forbidden(*IpAddress::Parse("255.255.255.255"), 9, 0);  // needs SO_BROADCAST
  batch->Clear();
  for (uint8_t id = 0; id < 3; ++id) {
    SendBatch::Packet& packet = batch->next();
    packet.probe_id = id;
    packet.buffer[0] = id;
    packet.to = id == 1 ? forbidden : here_;
    batch->Commit(std::span(packet.buffer).first(1));
  }
  sender_->Start();
  const auto sent = Collected(3);
  ASSERT_EQ(sent.size(), 3u);
  EXPECT_EQ(sent[0].error, 0);
  EXPECT_TRUE(sent[1].error == EACCES || sent[1].error == ENETUNREACH) << sent[1].error;
  EXPECT_EQ(sent[2].error, 0);
  EXPECT_EQ(Arrived(), (std::vector<uint8_t>{0, 2}));
}

TEST_F(BatchSenderTest, SendsWhatWasStartedBeforeItEnds) {
  SendBatch* const batch = sender_->Free();
  ASSERT_NE(batch, nullptr);
  Fill(*batch, 7, 3);
  sender_->Start();
  sender_.reset();
  EXPECT_EQ(Arrived(), (std::vector<uint8_t>{7, 8, 9}));
}

}  // namespace
}  // namespace parallax::sensor
