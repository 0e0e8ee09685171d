#include "sensor/link/link_client.h"

#include <fmt/format.h>
#include <grpcpp/client_context.h>

#include <thread>
#include <utility>

#include "common/grpc_security.h"
#include "common/log.h"
#include "common/siphash.h"
#include "parallax/v1/link.grpc.pb.h"
#include "sensor/link/backoff.h"
#include "sensor/link/convert.h"

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

constexpr Duration kHealthEvery = 2s;
constexpr Duration kConnectTimeout = 5s;
constexpr Duration kSlice = 200ms;
constexpr Duration kGoodbyeTimeout = 2s;
constexpr size_t kBatchRecords = 1'000;
// Sent and not yet committed. Beyond it the link waits for the collector.
constexpr uint64_t kWindow = 20'000;
constexpr Duration kFirstRetry = 500ms;
constexpr Duration kSlowestRetry = 15s;

using Stream = grpc::ClientReaderWriter<v1::FromSensor, v1::ToSensor>;

// What the reader thread learns and the writer needs.
struct Shared {
  std::atomic<bool> welcomed = false;
  std::atomic<bool> ended = false;
};

}  // namespace

LinkClient::LinkClient(LinkOptions options, Spool& spool, std::function<SensorHealth()> health,
                       std::function<void(ProbeOrder)> on_order)
    : options_(std::move(options)),
      spool_(spool),
      health_(std::move(health)),
      on_order_(std::move(on_order)) {}

void LinkClient::Run() {
  RouteGrpcLog();
  Backoff backoff(kFirstRetry, kSlowestRetry, RandomHashKey()[0]);
  for (size_t turn = 0; !stopping_; ++turn) {
    const HostPort& address = options_.addresses[turn % options_.addresses.size()];
    if (Session(address)) {
      backoff.Reset();
      --turn;  // this address works: the same one again
    }
    if (!Wait(backoff.Next())) {
      return;
    }
  }
}

void LinkClient::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stop_changed_.notify_all();
  spool_.Wake();
}

bool LinkClient::Wait(Duration d) {
  std::unique_lock lock(mutex_);
  return !stop_changed_.wait_for(lock, d, [this] { return stopping_.load(); });
}

bool LinkClient::Session(const HostPort& address) {
  const auto channel = DialCollector(address, options_.identity);
  const auto fail = [&](const std::string& why) {
    std::string text = fmt::format("collector {}:{}: {}", address.host, address.port, why);
    if (text != last_failure_) {
      LogWarning("{}; trying again", text);
      last_failure_ = std::move(text);
    }
  };
  // In slices, so that a stop is not kept waiting.
  bool connected = false;
  for (Duration waited{}; !connected && waited < kConnectTimeout; waited += kSlice) {
    if (stopping_) {
      return false;
    }
    connected = channel->WaitForConnected(
        std::chrono::time_point_cast<std::chrono::system_clock::duration>(Now().wall + kSlice));
  }
  grpc::ClientContext context;
  const auto stub = v1::SensorLink::NewStub(channel);
  std::unique_ptr<Stream> stream = stub->Session(&context);
  v1::FromSensor message;
  *message.mutable_hello() = ToProto(options_.hello);

  Shared shared;
  std::thread reader;
  std::thread canceller([&] {
    // Unblocks a Write that a stuck collector holds up when we must stop or the peer is silent.
    MonoTime stop_by{};
    while (!shared.ended) {
      std::unique_lock lock(mutex_);
      stop_changed_.wait_for(lock, kSlice, [&] { return shared.ended.load(); });
      if (stopping_) {
        const MonoTime now = Now().mono;
        stop_by = stop_by == MonoTime{} ? now + kGoodbyeTimeout : stop_by;
        if (now >= stop_by) {
          context.TryCancel();
        }
      }
    }
  });

  bool alive = connected && stream->Write(message);
  if (alive) {
    reader = std::thread([&] {
      v1::ToSensor in;
      while (stream->Read(&in)) {
        if (in.has_welcome()) {
          spool_.Acknowledge(in.welcome().committed_sequence());
          shared.welcomed = true;
          spool_.Wake();
        } else if (in.has_ack()) {
          spool_.Acknowledge(in.ack().committed_sequence());
          spool_.Wake();
        } else if (in.has_orders()) {
          for (const v1::ProbeOrder& raw : in.orders().orders()) {
            if (auto order = FromProto(raw)) {
              on_order_(std::move(*order));
            } else {
              LogWarning("collector {}:{}: {}", address.host, address.port,
                         order.error().message);
            }
          }
        }
      }
      shared.ended = true;
      spool_.Wake();
    });
  }

  bool announced = false;
  uint64_t next = spool_.acknowledged() + 1;
  MonoTime next_health = Now().mono;
  while (alive && !stopping_ && !shared.ended) {
    const MonoTime now = Now().mono;
    if (shared.welcomed && !announced) {
      announced = true;
      last_failure_.clear();
      LogInfo("connected to collector {}:{}", address.host, address.port);
      next = spool_.acknowledged() + 1;
    }
    if (shared.welcomed && now >= next_health) {
      next_health = now + kHealthEvery;
      message.Clear();
      *message.mutable_health() = ToProto(health_());
      alive = stream->Write(message);
      continue;
    }
    const bool may_send = shared.welcomed && next <= spool_.acknowledged() + kWindow;
    const Duration wait = shared.welcomed ? next_health - now : kSlice;
    const Spool::Chunk chunk =
        spool_.Read(may_send ? next : UINT64_MAX, kBatchRecords, wait);
    if (!chunk.records.empty()) {
      message.Clear();
      *message.mutable_batch() = ToProto(chunk.first_sequence, chunk.records);
      next = chunk.first_sequence + chunk.records.size();
      alive = stream->Write(message);
    }
  }
  if (alive && stopping_ && shared.welcomed) {
    message.Clear();
    message.mutable_goodbye();
    stream->Write(message);
  }
  if (alive) {
    stream->WritesDone();
  }
  if (reader.joinable()) {
    if (!stopping_ && !shared.ended) {
      context.TryCancel();
    }
    reader.join();
  } else {
    context.TryCancel();
  }
  {
    std::lock_guard lock(mutex_);
    shared.ended = true;
  }
  stop_changed_.notify_all();
  canceller.join();
  const grpc::Status status = stream->Finish();
  if (stopping_) {
    return shared.welcomed;
  }
  if (!connected) {
    fail(fmt::format("no connection ({})", status.error_message()));
  } else {
    fail(status.ok() ? "it closed the stream" : status.error_message());
  }
  return shared.welcomed;
}

}  // namespace parallax::sensor
