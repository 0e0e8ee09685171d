#include "sensor/link/link_stream.h"

#include <fmt/format.h>
#include <grpcpp/channel.h>

#include <algorithm>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>

#include "common/grpc_security.h"
#include "common/log.h"
#include "sensor/link/convert.h"

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

constexpr Duration kHealthEvery = 2s;
constexpr Duration kConnectTimeout = 5s;
constexpr Duration kWelcomeTimeout = 10s;
constexpr Duration kGoodbyeTimeout = 2s;
constexpr Duration kSlice = 200ms;
constexpr size_t kBatchRecords = 1'000;
// Sent and not yet committed. Beyond it the link waits for the collector.
constexpr uint64_t kWindow = 20'000;

auto DeadlineIn(Duration d) {
  return std::chrono::time_point_cast<std::chrono::system_clock::duration>(Now().wall + d);
}

// gRPC's words for why there is no connection, in ours where ours say more.
std::string Explain(const std::string& error) {
  const auto says = [&](std::string_view words) { return error.find(words) != std::string::npos; };
  if (says("certificate verify failed") || says("Hostname Verification")) {
    return "its certificate is not one that our CA gave to a collector, or is not valid now "
           "(compare collector.ca_file with the collector's, and both clocks)";
  }
  if (says("Socket closed")) {
    return "it hung up on us: our certificate is expired or of another CA, or it is no collector "
           "(see: parallax-sensor check-config)";
  }
  if (says("Connection refused")) {
    return "connection refused (is parallax-collector running there?)";
  }
  constexpr std::string_view kLead = "last error: ";
  const size_t lead = error.find(kLead);
  return lead == std::string::npos ? error : error.substr(lead + kLead.size());
}

}  // namespace

LinkStream::LinkStream(const HostPort& address, const LinkOptions& options, Spool& spool,
                       const std::function<SensorHealth()>& health,
                       const std::function<void(Order)>& on_order, std::stop_token stop)
    : address_(address),
      options_(options),
      spool_(spool),
      health_(health),
      on_order_(on_order),
      stop_(std::move(stop)),
      channel_(DialCollector(address, options.identity)) {}

LinkStream::Ending LinkStream::Run() {
  if (!Connect()) {
    return {false, stop_.stop_requested() ? "stopped" : WhyNotConnected()};
  }
  // Before the stream is opened: that can block too, if the connection is lost right now.
  std::jthread watchdog([this](const std::stop_token& over) { Watch(over); });
  stream_ = v1::SensorLink::NewStub(channel_)->Session(&context_);
  *message_.mutable_hello() = ToProto(options_.hello);
  std::thread reader;
  if (stream_->Write(message_)) {
    reader = std::thread([this] { ReadAll(); });
    if (WriteAll()) {
      stream_->WritesDone();
    }
    reader.join();  // a broken stream ends the reading too
  }
  const grpc::Status status = stream_->Finish();
  if (no_welcome_) {
    return {false, "it took the connection, but does not answer"};
  }
  return {welcomed_, status.ok() ? "it closed the stream" : status.error_message()};
}

bool LinkStream::Connect() {
  const MonoTime give_up = Now().mono + kConnectTimeout;
  grpc_connectivity_state state = channel_->GetState(true);
  while (state != GRPC_CHANNEL_READY) {
    if (stop_.stop_requested() || state == GRPC_CHANNEL_TRANSIENT_FAILURE ||
        Now().mono >= give_up) {
      return false;
    }
    // In slices, so that a stop is not kept waiting.
    channel_->WaitForStateChange(state, DeadlineIn(kSlice));
    state = channel_->GetState(true);
  }
  return true;
}

std::string LinkStream::WhyNotConnected() {
  if (channel_->GetState(false) != GRPC_CHANNEL_TRANSIENT_FAILURE) {
    return fmt::format("no answer within {}", FormatDuration(kConnectTimeout));
  }
  // Only a call brings out the reason; it fails at once, or does not get past its deadline.
  context_.set_deadline(DeadlineIn(kSlice));
  stream_ = v1::SensorLink::NewStub(channel_)->Session(&context_);
  return Explain(stream_->Finish().error_message());
}

void LinkStream::Watch(const std::stop_token& over) {
  std::mutex mutex;
  std::condition_variable_any changed;
  const std::stop_callback on_stop(stop_, [&] {
    std::lock_guard lock(mutex);
    changed.notify_all();
  });
  std::unique_lock lock(mutex);
  changed.wait(lock, over, [&] { return stop_.stop_requested(); });
  changed.wait_for(lock, over, kGoodbyeTimeout, [] { return false; });
  if (!over.stop_requested()) {
    context_.TryCancel();
  }
}

void LinkStream::ReadAll() {
  v1::ToSensor in;
  while (stream_->Read(&in)) {
    if (in.has_welcome()) {
      spool_.Acknowledge(in.welcome().committed_sequence());
      welcomed_ = true;
      spool_.Wake();
    } else if (in.has_ack()) {
      spool_.Acknowledge(in.ack().committed_sequence());
      spool_.Wake();
    } else if (in.has_orders()) {
      for (const v1::Order& raw : in.orders().orders()) {
        if (auto order = FromProto(raw)) {
          on_order_(std::move(*order));
        } else {
          LogWarning("collector {}: {}", address_.ToString(), order.error().message);
        }
      }
    }
  }
  ended_ = true;
  spool_.Wake();
}

bool LinkStream::WriteAll() {
  const MonoTime give_up = Now().mono + kWelcomeTimeout;
  while (!welcomed_) {
    if (ended_ || stop_.stop_requested()) {
      return true;
    }
    if (Now().mono >= give_up) {
      no_welcome_ = true;
      context_.TryCancel();
      return false;
    }
    spool_.Read(std::numeric_limits<uint64_t>::max(), 0, kSlice);  // until woken
  }
  LogInfo("connected to collector {}", address_.ToString());
  next_ = spool_.acknowledged() + 1;

  size_t sent = 0;
  for (MonoTime next_health{}; !ended_ && !stop_.stop_requested();) {
    const MonoTime now = Now().mono;
    if (now >= next_health) {
      next_health = now + kHealthEvery;
      if (!SendHealth()) {
        return false;
      }
    }
    if (!SendRecords(next_health - now, sent)) {
      return false;
    }
  }
  if (ended_) {
    return true;
  }
  do {  // what came last; capture has ended
    if (!SendRecords(Duration{}, sent)) {
      return false;
    }
  } while (sent > 0);
  message_.Clear();
  message_.mutable_goodbye();
  return stream_->Write(message_);
}

bool LinkStream::SendHealth() {
  message_.Clear();
  *message_.mutable_health() = ToProto(health_());
  return stream_->Write(message_);
}

bool LinkStream::SendRecords(Duration wait, size_t& sent) {
  sent = 0;
  const bool may_send = next_ <= spool_.acknowledged() + kWindow;
  const uint64_t from = may_send ? next_ : std::numeric_limits<uint64_t>::max();
  const Spool::Chunk chunk = spool_.Read(from, kBatchRecords, wait);
  if (chunk.records.empty()) {
    return true;
  }
  message_.Clear();
  *message_.mutable_batch() = ToProto(chunk.first_sequence, chunk.records);
  sent = static_cast<size_t>(message_.batch().records_size());
  next_ = chunk.first_sequence + sent;
  return stream_->Write(message_);
}

}  // namespace parallax::sensor
