#include "sensor/link/link_stream.h"

#include <fmt/format.h>
#include <grpcpp/channel.h>

#include <algorithm>
#include <condition_variable>
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
constexpr size_t kBatchBytes = 256u << 10;  // a quarter of what the collector takes in one message
// So many records that waited for a collector do not hold up what comes from now on.
constexpr uint64_t kBacklog = 1'000;

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
                       LegacyNumbers& legacy, std::atomic<bool>& connected,
                       const std::function<SensorHealth()>& health,
                       const std::function<void(Order)>& on_order, std::stop_token stop)
    : address_(address),
      options_(options),
      spool_(spool),
      legacy_(legacy),
      connected_(connected),
      health_(health),
      on_order_(on_order),
      stop_(std::move(stop)),
      identity_(options.identity->Get().identity),
      channel_(DialCollector(address, *identity_)) {}

LinkStream::Ending LinkStream::Run() {
  if (!Connect()) {
    return {false, false, stop_.stop_requested() ? "stopped" : WhyNotConnected()};
  }
  // Before the stream is opened: that can block too, if the connection is lost right now.
  std::jthread watchdog([this](const std::stop_token& over) { Watch(over); });
  stream_ = v1::SensorLink::NewStub(channel_)->Session(&context_);
  message_ = Hello();
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
    return {false, false, "it took the connection, but does not answer"};
  }
  return {welcomed_, renewed_, status.ok() ? "it closed the stream" : status.error_message()};
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

v1::FromSensor LinkStream::Hello() const {
  SensorHello hello = options_.hello;
  for (const Spool::Lane& lane : spool_.Lanes()) {
    hello.epochs.push_back(lane.epoch);
  }
  v1::FromSensor message;
  *message.mutable_hello() = ToProto(hello);
  message.mutable_hello()->set_epoch(legacy_.epoch());
  return message;
}

void LinkStream::Take(const v1::Welcome& welcome) {
  AcknowledgeLegacy(welcome.committed_sequence());
  for (const v1::Committed& committed : welcome.committed()) {
    spool_.Acknowledge(committed.epoch(), committed.sequence());
  }
  if (welcome.protocol() >= kProtocolWithEpochs) {
    legacy_.Forget();
    spool_.Turn(kBacklog);
  }
  if (!welcome.ca_pem().empty()) {
    wants_identity_ = true;
    options_.on_trust(welcome.ca_pem());
  }
  protocol_ = welcome.protocol();
  welcomed_ = true;
  connected_ = true;
}

void LinkStream::AcknowledgeLegacy(uint64_t number) {
  for (const auto& [epoch, sequence] : legacy_.Committed(number)) {
    spool_.Acknowledge(epoch, sequence);
  }
}

void LinkStream::ReadAll() {
  v1::ToSensor in;
  while (stream_->Read(&in)) {
    if (in.has_welcome()) {
      Take(in.welcome());
      spool_.Wake();
    } else if (in.has_ack()) {
      if (protocol_ >= kProtocolWithEpochs) {
        spool_.Acknowledge(in.ack().epoch(), in.ack().committed_sequence());
      } else {
        AcknowledgeLegacy(in.ack().committed_sequence());
      }
      spool_.Wake();
    } else if (in.has_trust()) {
      options_.on_trust(in.trust().ca_pem());
    } else if (in.has_nack()) {
      LogWarning("collector {}: refuses {} records for good: {}", address_.ToString(),
                 in.nack().last_sequence() - in.nack().first_sequence() + 1, in.nack().reason());
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
    spool_.Wait(kSlice);
  }
  LogInfo("connected to collector {}", address_.ToString());
  if (protocol_ < kProtocolWithEpochs && !SendAgain()) {
    return false;
  }
  size_t sent = 0;
  for (MonoTime next_health{}; !ended_ && !stop_.stop_requested();) {
    const MonoTime now = Now().mono;
    if (now >= next_health) {
      next_health = now + kHealthEvery;
      if (!SendHealth()) {
        return false;
      }
    }
    if (!SendIdentity()) {
      return false;
    }
    if (renewed_) {
      return true;  // what was not acknowledged goes over the next stream
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

bool LinkStream::SendIdentity() {
  const IdentityHolder::Held held = options_.identity->Get();
  renewed_ = held.identity->certificate_pem != identity_->certificate_pem;
  if (renewed_ || !wants_identity_ || held.version == told_identity_) {
    return true;
  }
  told_identity_ = held.version;
  message_.Clear();
  *message_.mutable_identity() = ToProto(*held.identity);
  return stream_->Write(message_);
}

bool LinkStream::SendRecords(Duration wait, size_t& sent) {
  sent = 0;
  const std::vector<Spool::Lane> lanes = spool_.Lanes();
  const Moment now = Now();
  const auto pick = outbox_.Next(lanes, now.mono);
  if (!pick) {
    if (wait > Duration{}) {
      spool_.Wait(std::min(wait, kSlice));  // a backlog goes on without news
    }
    return true;
  }
  const Spool::Chunk chunk = spool_.Read(pick->epoch, pick->from, pick->most, kBatchBytes, now);
  if (chunk.items.empty()) {  // dropped, or damaged
    const auto lane = std::find_if(lanes.begin(), lanes.end(),
                                   [&](const Spool::Lane& l) { return l.epoch == pick->epoch; });
    outbox_.Sent(pick->epoch, pick->from, lane->last, 0);
    return true;
  }
  sent = chunk.items.size();
  return SendChunk(*pick, chunk);
}

bool LinkStream::SendChunk(const Outbox::Pick& pick, const Spool::Chunk& chunk) {
  const bool legacy = protocol_ < kProtocolWithEpochs;
  for (size_t done = 0; done < chunk.items.size();) {
    message_.Clear();
    v1::Batch* batch = message_.mutable_batch();
    const size_t count =
        FillBatch(chunk, done, legacy ? BatchForm::kRows : BatchForm::kColumns, batch);
    const uint64_t first = chunk.first_sequence + done;
    if (count == 0) {  // a gap, of which an older collector knows nothing; it waits for a newer one
      outbox_.Sent(pick.epoch, first, first, 0);
      ++done;
      continue;
    }
    if (legacy) {
      batch->set_first_sequence(legacy_.Assign(pick.epoch, first, count));
    } else {
      batch->set_epoch(pick.epoch);
    }
    outbox_.Sent(pick.epoch, first, first + count - 1, batch->ByteSizeLong());
    if (!stream_->Write(message_)) {
      return false;
    }
    done += count;
  }
  return true;
}

bool LinkStream::SendAgain() {
  for (const LegacyNumbers::Span& span : legacy_.Waiting()) {
    outbox_.GoOnAfter(span.epoch, span.from + span.count - 1);
    for (uint64_t from = span.from; from < span.from + span.count;) {
      const Spool::Chunk chunk =
          spool_.Read(span.epoch, from, span.from + span.count - from, kBatchBytes, Now());
      if (chunk.items.empty() || chunk.first_sequence >= span.from + span.count) {
        break;  // dropped since
      }
      message_.Clear();
      v1::Batch* batch = message_.mutable_batch();
      const size_t count = FillBatch(chunk, 0, BatchForm::kRows, batch);
      if (count == 0) {
        break;
      }
      batch->set_first_sequence(span.number + (chunk.first_sequence - span.from));
      if (!stream_->Write(message_)) {
        return false;
      }
      from = chunk.first_sequence + count;
    }
  }
  return true;
}

}  // namespace parallax::sensor
