#include "collector/ingest/link_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "collector/ingest/convert_identity.h"
#include "common/log.h"

namespace parallax::collector {
namespace {

constexpr size_t kMostOrdersWaiting = 2'000;
constexpr int kMostOrdersPerMessage = 200;
// A sensor reports its health every 2 s. What comes faster is not news, and would keep the engine
// from the other sensors.
constexpr Duration kLeastHealthGap = std::chrono::milliseconds(500);
// Of a sensor that sends nonsense all the time, now and then a batch is kept, and of it so much.
constexpr Duration kKeepEvery = std::chrono::seconds(10);
constexpr size_t kKeptBytes = 64u << 10;
constexpr size_t kMostNacksWaiting = 16;
// A sensor's identity changes when its certificate is renewed and when a CA comes or goes.
constexpr uint64_t kIdentitiesAtOnce = 20;

}  // namespace

LinkSession::LinkSession(LinkService& service, grpc::CallbackServerContext* context,
                         const PeerName& peer, WallTime expires, std::optional<IpAddress> address)
    : service_(service),
      context_(context),
      name_(peer.name),
      group_(peer.group),
      expires_(expires),
      address_(address) {}

LinkSession* LinkSession::Start(LinkService& service, grpc::CallbackServerContext* context,
                                const PeerName& peer, WallTime expires,
                                std::optional<IpAddress> address) {
  const std::shared_ptr<LinkSession> session(
      new LinkSession(service, context, peer, expires, address));
  session->self_ = session;
  session->StartRead(&session->in_);
  return session.get();
}

void LinkSession::OnReadDone(bool ok) {
  if (!ok) {
    End(grpc::Status::OK);
    return;
  }
  Handle();
}

void LinkSession::Handle() {
  if (!greeted_ && !in_.has_hello()) {
    End({grpc::StatusCode::FAILED_PRECONDITION, "the first message must be a hello"});
    return;
  }
  switch (in_.kind_case()) {
    case v1::FromSensor::kHello:
      HandleHello();
      return;
    case v1::FromSensor::kBatch:
      HandleBatch();
      return;
    case v1::FromSensor::kHealth:
      if (const MonoTime now = Now().mono; now >= next_health_) {
        next_health_ = now + kLeastHealthGap;
        waiting_.emplace_back(SensorHealthReported{name_, FromProto(in_.health())});
      }
      break;
    case v1::FromSensor::kIdentity:
      HandleIdentity();
      return;
    case v1::FromSensor::kGoodbye:
      goodbye_ = true;
      break;
    case v1::FromSensor::KIND_NOT_SET:
      break;  // from a newer sensor; nothing that we could miss
  }
  Deliver(false);
}

void LinkSession::HandleHello() {
  if (greeted_) {
    End({grpc::StatusCode::FAILED_PRECONDITION, "a second hello"});
    return;
  }
  Result<SensorHello> hello = FromProto(in_.hello());
  if (!hello) {
    LogWarning("sensor {}: {}", name_, hello.error().message);
    End({grpc::StatusCode::FAILED_PRECONDITION, hello.error().message});
    return;
  }
  greeted_ = true;
  protocol_ = hello->protocol;
  epoch_ = hello->epochs.front();
  const std::vector<uint64_t> done = service_.Register(*this, hello->epochs);
  {
    std::lock_guard lock(write_mutex_);
    welcome_.emplace();
    welcome_->set_protocol(protocol_);
    welcome_->set_version(PARALLAX_VERSION);
    welcome_->set_committed_sequence(done.front());
    for (size_t i = 1; i < done.size(); ++i) {
      v1::Committed* committed = welcome_->add_committed();
      committed->set_epoch(hello->epochs[i]);
      committed->set_sequence(done[i]);
    }
    welcome_->set_ca_pem(service_.ca_pem());
    welcomed_ = true;
    StartNextWriteLocked();
  }
  waiting_.emplace_back(SensorConnected{name_, group_, address_, std::move(*hello)});
  Deliver(false);
}

void LinkSession::HandleBatch() {
  Result<ReadBatch> batch = FromProto(in_.batch());
  if (!batch) {
    LogWarning("sensor {}: {}", name_, batch.error().message);
    End({grpc::StatusCode::INVALID_ARGUMENT, batch.error().message});
    return;
  }
  const uint64_t epoch = protocol_ >= kProtocolWithEpochs ? in_.batch().epoch() : epoch_;
  if (batch->refused > 0) {
    NoteRefused(*batch, epoch);
  }
  const WallTime received = Now().wall;
  for (Run& run : batch->runs) {
    waiting_.emplace_back(
        IngestedBatch{name_, epoch, run.first_sequence, received, std::move(run.records)});
  }
  pause_ = service_.Charge(name_, batch->last_sequence - batch->first_sequence + 1);
  Deliver(false);
}

void LinkSession::HandleIdentity() {
  const Moment now = Now();
  const auto allowed = kIdentitiesAtOnce + static_cast<uint64_t>(ToSeconds(now.mono - started_));
  Result<SensorIdentity> identity = FromProto(in_.identity(), name_, now.wall);
  if (!identity || ++identities_ > allowed) {
    LogWarning("sensor {}: {}", name_,
               identity ? "tells of a new identity all the time" : identity.error().message);
    End({grpc::StatusCode::INVALID_ARGUMENT, "no sound identity"});
    return;
  }
  waiting_.emplace_back(std::move(*identity));
  Deliver(false);
}

void LinkSession::NoteRefused(const ReadBatch& batch, uint64_t epoch) {
  const Moment now = Now();
  if (refused_records_ == 0) {
    LogWarning("sensor {}: malformed records are left out, the first one: {}", name_,
               batch.complaint);
  }
  refused_records_ += batch.refused;
  refusal_.emplace();
  refusal_->set_epoch(epoch);
  refusal_->set_first_sequence(batch.first_sequence);
  refusal_->set_last_sequence(batch.last_sequence);
  refusal_->set_reason(fmt::format("{} of {} records: {}", batch.refused,
                                   batch.last_sequence - batch.first_sequence + 1,
                                   batch.complaint));
  if (now.mono >= next_kept_) {
    next_kept_ = now.mono + kKeepEvery;
    waiting_.emplace_back(RefusedBatch{name_, epoch, batch.first_sequence, batch.last_sequence,
                                       batch.refused, now.wall, batch.complaint,
                                       in_.batch().SerializeAsString().substr(0, kKeptBytes)});
  }
}

bool LinkSession::Deliver(bool again) {
  while (!waiting_.empty()) {
    if (!service_.Push(waiting_.front(), *this, again)) {
      return false;  // TryAgain comes
    }
    waiting_.pop_front();
  }
  if (refusal_) {
    if (protocol_ >= kProtocolWithEpochs) {
      std::lock_guard lock(write_mutex_);
      if (nacks_.size() < kMostNacksWaiting) {
        nacks_.push_back(*refusal_);
      }
    }
    service_.Refused(*this, refusal_->epoch(), refusal_->last_sequence());
    refusal_.reset();
  }
  if (goodbye_) {
    End(grpc::Status::OK);
    return true;
  }
  if (const Duration pause = std::exchange(pause_, {}); pause > Duration{}) {
    service_.Pause(*this, Now().mono + pause);
  } else {
    ReadOn();
  }
  return true;
}

void LinkSession::ReadOn() {
  std::lock_guard lock(write_mutex_);
  if (!finished_) {
    StartRead(&in_);
  }
}

bool LinkSession::TryAgain() { return Deliver(true); }

void LinkSession::QueueOrders(const std::vector<Order>& orders, std::atomic<uint64_t>& dropped) {
  std::lock_guard lock(write_mutex_);
  for (const Order& order : orders) {
    if (orders_.size() >= kMostOrdersWaiting) {
      orders_.pop_front();  // the oldest is the least useful
      ++dropped;
    }
    orders_.push_back(ToProto(order));
  }
  StartNextWriteLocked();
}

void LinkSession::QueueAck(uint64_t epoch, uint64_t sequence) {
  std::lock_guard lock(write_mutex_);
  acks_[epoch] = sequence;
  StartNextWriteLocked();
}

void LinkSession::QueueTrust(const std::string& ca_pem) {
  std::lock_guard lock(write_mutex_);
  trust_ = ca_pem;
  StartNextWriteLocked();
}

void LinkSession::Cancel() { context_->TryCancel(); }

void LinkSession::Dismiss(const grpc::Status& status) {
  dismissed_ = Now().mono;
  End(status);
}

Duration LinkSession::DismissedFor(MonoTime now) const {
  const MonoTime since = dismissed_;
  return since == MonoTime() ? Duration() : now - since;
}

void LinkSession::StartNextWriteLocked() {
  if (writing_ || finished_ || !welcomed_) {
    return;
  }
  out_.Clear();
  if (welcome_) {
    *out_.mutable_welcome() = std::move(*welcome_);
    welcome_.reset();
  } else if (trust_) {
    out_.mutable_trust()->set_ca_pem(*trust_);
    trust_.reset();
  } else if (!nacks_.empty()) {
    *out_.mutable_nack() = std::move(nacks_.front());
    nacks_.pop_front();
  } else if (!acks_.empty()) {
    const auto first = acks_.begin();
    out_.mutable_ack()->set_epoch(first->first);
    out_.mutable_ack()->set_committed_sequence(first->second);
    acks_.erase(first);
  } else if (!orders_.empty()) {
    auto* list = out_.mutable_orders();
    while (!orders_.empty() && list->orders_size() < kMostOrdersPerMessage) {
      *list->add_orders() = std::move(orders_.front());
      orders_.pop_front();
    }
  } else {
    return;
  }
  writing_ = true;
  StartWrite(&out_);
}

void LinkSession::OnWriteDone(bool ok) {
  std::lock_guard lock(write_mutex_);
  writing_ = false;
  if (ok) {
    StartNextWriteLocked();
  }
}

void LinkSession::OnCancel() { End(grpc::Status::CANCELLED); }

void LinkSession::End(const grpc::Status& status) {
  std::lock_guard lock(write_mutex_);
  if (!finished_) {
    finished_ = true;
    Finish(status);
  }
}

void LinkSession::OnDone() {
  service_.Unregister(*this, goodbye_);
  const std::shared_ptr<LinkSession> last = std::move(self_);  // this may be the end of us
}

}  // namespace parallax::collector
