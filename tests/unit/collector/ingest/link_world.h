// Both ends of the link in one process, over loopback and real mutual TLS: a campus CA, a collector
// whose engine is the test itself, a real sensor link, and a hand-driven one for bad manners.
#pragma once

#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "collector/ingest/link_server.h"
#include "collector/operate/authority.h"
#include "common/grpc_security.h"
#include "parallax/v1/link.grpc.pb.h"
#include "sensor/link/convert.h"
#include "sensor/link/link_client.h"
#include "sensor/spool/spool.h"
#include "tests/unit/sensor/link/batch_of.h"

namespace parallax::collector {

using namespace std::chrono_literals;

// Long enough for a loaded machine and a sanitizer: running into it is a failure.
constexpr Duration kPatience = 30s;

template <typename Condition>
bool Eventually(Condition condition, Duration limit = kPatience) {
  const MonoTime end = Now().mono + limit;
  while (!condition()) {
    if (Now().mono > end) {
      return false;
    }
    std::this_thread::sleep_for(2ms);
  }
  return true;
}

class Campus {
 public:
  explicit Campus(WallTime now = Now().wall) : authority_(*MakeAuthority(now)) {}

  TlsIdentity Collector(WallTime now = Now().wall) const {
    return Of(*IssueCollector(authority_, "localhost", now));
  }
  TlsIdentity Sensor(const std::string& name, WallTime now = Now().wall) const {
    return Of(*IssueSensor(authority_, {"group-of-" + name, name}, now));
  }
  const std::string& ca_pem() const { return authority_.certificate_pem; }
  const KeyPair& authority() const { return authority_; }

 private:
  TlsIdentity Of(const KeyPair& pair) const {
    return {authority_.certificate_pem, pair.certificate_pem, pair.key_pem};
  }
  KeyPair authority_;
};

// Making keys takes a while; tests that need nothing special share these.
inline const Campus& SharedCampus() {
  static const Campus campus;
  return campus;
}

inline Record Numbered(uint64_t number) {
  Attempt attempt;
  attempt.client = {*IpAddress::Parse("198.51.100.7"), 1};
  attempt.server = {*IpAddress::Parse("192.0.2.25"), 25};
  attempt.isn = static_cast<uint32_t>(number);
  return attempt;
}

inline std::vector<Record> NumberedRange(uint64_t first, uint64_t last) {
  std::vector<Record> records;
  for (; first <= last; ++first) {
    records.push_back(Numbered(first));
  }
  return records;
}

// A link server, and an engine and a store of few words behind it.
class TestCollector {
 public:
  explicit TestCollector(size_t capacity = 1'000, uint16_t port = 0, LinkServerOptions options = {},
                         const TlsIdentity& identity = SharedCampus().Collector(),
                         const std::string& host = "127.0.0.1")
      : events(capacity) {
    // After a restart the kernel may need a moment to give the port back.
    EXPECT_TRUE(Eventually([&] {
      auto started = LinkServer::Start({host, port}, identity, events, options);
      if (started) {
        link = std::move(*started);
      }
      return started.has_value();
    }));
  }

  HostPort address() const { return {"127.0.0.1", link->port()}; }

  // Takes one event, or none within a short time; false then.
  bool TakeOne() {
    auto batch = events.PopBatch(1, 5ms);
    link->Resume();
    for (LinkEvent& event : batch) {
      if (auto* up = std::get_if<SensorConnected>(&event)) {
        connected.push_back(*up);
      } else if (auto* down = std::get_if<SensorDisconnected>(&event)) {
        gone.push_back(*down);
      } else if (auto* report = std::get_if<SensorHealthReported>(&event)) {
        ++healths[report->name];
      } else if (auto* taken = std::get_if<IngestedBatch>(&event)) {
        Take(*taken);
      } else if (auto* told = std::get_if<SensorIdentity>(&event)) {
        identities.push_back(std::move(*told));
      } else {
        refused.push_back(std::get<RefusedBatch>(event));
      }
    }
    return !batch.empty();
  }

  template <typename Condition>
  bool TakeUntil(Condition condition) {
    return Eventually([&] {
      TakeOne();
      return condition();
    });
  }
  bool TakeUntilConnected(size_t times = 1) {
    return TakeUntil([&] { return connected.size() >= times; });
  }
  bool TakeUntilGone(size_t times = 1) {
    return TakeUntil([&] { return gone.size() >= times; });
  }
  bool TakeUntilRecord(const SensorName& sensor, uint64_t number) {
    return TakeUntil([&] { return !stored[sensor].empty() && stored[sensor].back() >= number; });
  }
  void Commit(const SensorName& sensor, uint64_t sequence) {
    link->Committed(sensor, epochs[sensor], sequence);
  }

  BoundedQueue<LinkEvent> events;
  std::unique_ptr<LinkServer> link;
  bool commit = true;  // whether a batch that is taken is committed at once

  std::vector<SensorConnected> connected;
  std::vector<SensorDisconnected> gone;
  std::map<SensorName, int> healths;
  std::map<SensorName, std::vector<uint64_t>> stored;  // the numbers of the records
  std::map<SensorName, uint64_t> epochs;               // the last one
  std::vector<RefusedBatch> refused;
  std::vector<SensorIdentity> identities;

 private:
  void Take(const IngestedBatch& batch) {
    EXPECT_FALSE(batch.records.empty());
    epochs[batch.sensor] = batch.epoch;
    uint64_t& last = last_[{batch.sensor, batch.epoch}];
    EXPECT_GT(batch.first_sequence, last);
    last = batch.first_sequence + batch.records.size() - 1;
    for (const Record& record : batch.records) {
      stored[batch.sensor].push_back(std::get<Attempt>(record).isn);
    }
    if (commit) {
      Commit(batch.sensor, last);
    }
  }

  std::map<std::pair<SensorName, uint64_t>, uint64_t> last_;  // sequence taken
};

inline std::vector<uint64_t> Count(uint64_t first, uint64_t last) {
  std::vector<uint64_t> numbers;
  for (; first <= last; ++first) {
    numbers.push_back(first);
  }
  return numbers;
}

// In memory only, and large enough.
inline sensor::SpoolOptions TestSpoolOptions(uint64_t epoch) {
  sensor::SpoolOptions options;
  options.most_memory = options.most_bytes;
  options.new_epoch = [epoch]() mutable { return epoch++; };
  options.encode = [](const Gap& gap) { return sensor::Encode(gap); };
  return options;
}

// The sensor's real end of the link.
class TestSensor {
 public:
  TestSensor(const std::string& name, std::vector<HostPort> addresses, TlsIdentity identity = {},
             uint64_t epoch = 7)
      : spool(TestSpoolOptions(epoch), nullptr) {
    sensor::LinkOptions options;
    options.addresses = std::move(addresses);
    options.identity = std::make_shared<IdentityHolder>(
        identity.key_pem.empty() ? SharedCampus().Sensor(name) : std::move(identity));
    options.hello = {kLinkProtocol,
                     "test",
                     {},
                     {*IpAddress::Parse("192.0.2.1")},
                     {*Prefix::Parse("192.0.2.0/24")}};
    link_ = std::make_unique<sensor::LinkClient>(
        std::move(options), spool,
        [this] {
          ++healths;
          return SensorHealth{};
        },
        [this](Order order) {
          std::lock_guard lock(mutex_);
          orders_.push_back(std::move(order));
        });
    thread_ = std::thread([this] { link_->Run(); });
  }
  ~TestSensor() { Stop(); }

  // How long it took.
  Duration Stop() {
    const MonoTime begun = Now().mono;
    if (thread_.joinable()) {
      link_->Stop();
      thread_.join();
    }
    return Now().mono - begun;
  }

  void Append(uint64_t first, uint64_t last) {
    for (; first <= last; ++first) {
      spool.Append(RecordClass::kBulk, sensor::Encode(Numbered(first)), Now());
    }
  }
  // Of the epoch in use.
  uint64_t acknowledged() const {
    for (const auto& lane : spool.Lanes()) {
      if (lane.live) {
        return lane.acked;
      }
    }
    return 0;
  }
  std::vector<Order> orders() const {
    std::lock_guard lock(mutex_);
    return orders_;
  }

  sensor::Spool spool;
  std::atomic<int> healths = 0;

 private:
  mutable std::mutex mutex_;
  std::vector<Order> orders_;
  std::unique_ptr<sensor::LinkClient> link_;
  std::thread thread_;
};

// A stream driven by hand. It speaks protocol 2, as a sensor of the version before ours does,
// unless a test says otherwise.
class RawSensor {
 public:
  RawSensor(const HostPort& address, const TlsIdentity& identity)
      : RawSensor(DialCollector(address, identity)) {}
  explicit RawSensor(std::shared_ptr<grpc::Channel> channel) : channel_(std::move(channel)) {
    context_.set_deadline(std::chrono::system_clock::now() + kPatience);
    stream_ = v1::SensorLink::NewStub(channel_)->Session(&context_);
  }
  ~RawSensor() {
    context_.TryCancel();
    if (!finished_) {
      stream_->Finish();
    }
  }

  bool Send(const v1::FromSensor& message) { return stream_->Write(message); }
  bool SendHello(uint64_t epoch = 1, uint32_t protocol = kLeastLinkProtocol) {
    v1::FromSensor message;
    message.mutable_hello()->set_protocol(protocol);
    message.mutable_hello()->set_epoch(epoch);
    return Send(message);
  }
  bool SendRecords(uint64_t first, uint64_t last) {
    v1::FromSensor message;
    *message.mutable_batch() = sensor::BatchOf(first, NumberedRange(first, last));
    return Send(message);
  }
  bool SendGoodbye() {
    v1::FromSensor message;
    message.mutable_goodbye();
    return Send(message);
  }
  // The next message; nullopt at the end of the stream.
  std::optional<v1::ToSensor> Read() {
    v1::ToSensor message;
    if (!stream_->Read(&message)) {
      return std::nullopt;
    }
    return message;
  }
  // Says hello and reads the welcome: what is committed, or nullopt.
  std::optional<uint64_t> Greet(uint64_t epoch = 1) {
    SendHello(epoch);
    const auto welcome = Read();
    if (!welcome || !welcome->has_welcome()) {
      return std::nullopt;
    }
    return welcome->welcome().committed_sequence();
  }
  // Reads what is left, then the status.
  grpc::Status End() {
    while (Read()) {
    }
    finished_ = true;
    return stream_->Finish();
  }
  void Cancel() { context_.TryCancel(); }

 private:
  std::shared_ptr<grpc::Channel> channel_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::FromSensor, v1::ToSensor>> stream_;
  bool finished_ = false;
};

// The proof that nothing before it did lasting harm.
inline void ExpectAGoodSensorWorks(TestCollector& collector,
                                   const Campus& campus = SharedCampus()) {
  static std::atomic<int> count = 0;
  const std::string name = "good-" + std::to_string(++count);
  TestSensor sensor(name, {collector.address()}, campus.Sensor(name));
  sensor.Append(1, 10);
  EXPECT_TRUE(collector.TakeUntilRecord(name, 10));
  EXPECT_EQ(collector.stored[name], Count(1, 10));
  EXPECT_TRUE(Eventually([&] { return sensor.acknowledged() == 10; }));
}

}  // namespace parallax::collector
