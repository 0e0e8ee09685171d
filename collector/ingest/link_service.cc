#include "collector/ingest/link_service.h"

#include <fmt/format.h>
#include <grpcpp/server_context.h>

#include <algorithm>
#include <utility>

#include "collector/ingest/link_session.h"
#include "common/grpc_security.h"
#include "common/log.h"

namespace parallax::collector {
namespace {

// A sensor has one stream, and one more while it comes back before we noticed that it was gone.
constexpr auto kMostStreamsPerSensor = 4;
// Epochs of one sensor that are remembered here; of others, the store knows. A sensor has a few.
constexpr size_t kMostEpochs = 512;
// What a sensor that was told to leave gets to hear it.
constexpr Duration kDismissedWithin = std::chrono::milliseconds(500);

// A stream that is over before it began.
class Refusal final : public grpc::ServerBidiReactor<v1::FromSensor, v1::ToSensor> {
 public:
  explicit Refusal(const grpc::Status& status) { Finish(status); }
  void OnDone() override { delete this; }
};

}  // namespace

LinkService::LinkService(BoundedQueue<LinkEvent>& events,
                         std::shared_ptr<const IdentityHolder> identity,
                         const LinkServerOptions& options)
    : events_(events),
      identity_(std::move(identity)),
      renewal_(options.renew, identity_),
      hello_within_(options.hello_within),
      records_per_second_(options.records_per_second),
      may_speak_(options.may_speak) {
  for (const HighWaterMark& mark : options.marks) {
    marks_[{mark.sensor, mark.epoch}] = mark.sequence;
  }
}

LinkService::~LinkService() = default;

tl::expected<LinkService::Caller, grpc::Status> LinkService::Admit(
    const grpc::CallbackServerContext& context) const {
  using grpc::StatusCode;
  const auto auth = context.auth_context();
  const auto peer = auth ? PeerSensor(*auth) : std::nullopt;
  if (!peer) {
    LogWarning("{}: its certificate names no sensor; refused", context.peer());
    return tl::make_unexpected(grpc::Status(StatusCode::UNAUTHENTICATED,
                                            "the client certificate names no sensor (make one "
                                            "with: parallax-collector add-sensor)"));
  }
  const auto refuse = [&](StatusCode code, const std::string& why) {
    LogWarning("{}: sensor {}: refused: {}", context.peer(), peer->name, why);
    return tl::make_unexpected(grpc::Status(code, why));
  };
  const auto shown = ShownCertificate(*auth, Now().wall);
  if (!shown) {
    return refuse(StatusCode::UNAUTHENTICATED, shown.error().message);
  }
  if (const auto may = may_speak_ ? may_speak_(*peer, *shown) : Result<void>(); !may) {
    const bool denied = may.error().code == ErrorCode::kDenied;
    return refuse(denied ? StatusCode::PERMISSION_DENIED : StatusCode::UNAVAILABLE,
                  may.error().message);
  }
  return Caller{*peer, shown->not_after};
}

grpc::ServerBidiReactor<v1::FromSensor, v1::ToSensor>* LinkService::Session(
    grpc::CallbackServerContext* context) {
  std::unique_lock lock(mutex_);
  tl::expected<Caller, grpc::Status> caller;
  // Once more if somebody's streams were ended while we asked: these may have been meant.
  for (uint64_t asked_at = endings_ + 1; asked_at != endings_;) {
    asked_at = endings_;
    lock.unlock();
    caller = Admit(*context);
    if (!caller) {
      return new Refusal(caller.error());
    }
    lock.lock();
  }
  if (closing_) {
    return new Refusal({grpc::StatusCode::UNAVAILABLE, "the collector is stopping"});
  }
  const auto streams = std::count_if(all_.begin(), all_.end(), [&](const LinkSession* other) {
    return other->name() == caller->peer.name;
  });
  if (streams >= kMostStreamsPerSensor) {
    return new Refusal({grpc::StatusCode::RESOURCE_EXHAUSTED, "too many streams of one sensor"});
  }
  LinkSession* session = LinkSession::Start(*this, context, caller->peer, caller->expires,
                                            PeerAddress(context->peer()));
  all_.insert(session);
  return session;
}

grpc::ServerUnaryReactor* LinkService::Renew(grpc::CallbackServerContext* context,
                                             const v1::RenewRequest* request, v1::Renewed* reply) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(renewal_.Answer(*context, *request, reply));
  return reactor;
}

grpc::ServerUnaryReactor* LinkService::GetTime(grpc::CallbackServerContext* context,
                                               const v1::GetTimeRequest*,
                                               v1::CollectorTime* reply) {
  const auto caller = Admit(*context);
  reply->set_now(static_cast<uint64_t>(ToUnixNanos(Now().wall)));
  reply->set_version(PARALLAX_VERSION);
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(caller ? grpc::Status::OK : caller.error());
  return reactor;
}

std::string LinkService::ca_pem() const { return identity_->Get().identity->ca_pem; }

void LinkService::TellTrust() {
  const std::string pem = ca_pem();
  std::lock_guard lock(mutex_);
  for (LinkSession* session : all_) {
    session->QueueTrust(pem);
  }
}

void LinkService::SendOrders(const SensorName& sensor, const std::vector<Order>& orders) {
  std::lock_guard lock(mutex_);
  const auto it = sessions_.find(sensor);
  if (it == sessions_.end()) {
    orders_dropped_ += orders.size();
    return;
  }
  it->second->QueueOrders(orders, orders_dropped_);
}

void LinkService::Committed(const SensorName& sensor, uint64_t epoch, uint64_t sequence) {
  std::lock_guard lock(mutex_);
  Progress& progress = ProgressLocked(sensor, epoch);
  progress.committed = std::max(progress.committed, sequence);
  const auto it = sessions_.find(sensor);
  if (it != sessions_.end()) {
    it->second->QueueAck(epoch, progress.Done());
  }
}

void LinkService::Resume() {
  size_t turns = 0;
  std::vector<std::shared_ptr<LinkSession>> due;
  {
    std::lock_guard lock(mutex_);
    EndSilentLocked();
    TellGoneLocked();
    turns = held_up_.size();
    const MonoTime now = Now().mono;
    std::erase_if(paused_, [&](auto& paused) {
      const bool over = paused.first <= now;
      if (over) {
        due.push_back(std::move(paused.second));
      }
      return over;
    });
  }
  for (const auto& session : due) {
    session->ReadOn();
  }
  EndExpired();
  for (; turns > 0; --turns) {
    std::shared_ptr<LinkSession> session;
    {
      std::lock_guard lock(mutex_);
      if (held_up_.empty()) {
        return;
      }
      session = std::move(held_up_.front());
      held_up_.pop_front();
    }
    if (!session->TryAgain()) {
      return;  // full again
    }
  }
}

void LinkService::End(const SensorName& sensor, const std::string& why) {
  std::vector<std::shared_ptr<LinkSession>> streams;
  {
    std::lock_guard lock(mutex_);
    ++endings_;
    for (LinkSession* session : all_) {
      if (session->name() == sensor) {
        streams.push_back(session->shared_from_this());
      }
    }
    std::erase_if(held_up_, [&](const auto& held) { return held->name() == sensor; });
    if (sessions_.erase(sensor) > 0) {  // silent from now on
      gone_[sensor] = false;
      TellGoneLocked();
    }
  }
  for (const auto& session : streams) {
    LogInfo("sensor {}: its stream is closed: {}", sensor, why);
    session->Dismiss({grpc::StatusCode::PERMISSION_DENIED, "this sensor was " + why});
  }
}

void LinkService::StopReading() {
  std::lock_guard lock(mutex_);
  reading_ = false;
}

void LinkService::CloseAll() {
  std::lock_guard lock(mutex_);
  closing_ = true;
  for (LinkSession* session : all_) {
    session->Cancel();
  }
}

std::vector<uint64_t> LinkService::Register(LinkSession& session,
                                            const std::vector<uint64_t>& epochs) {
  const SensorName& sensor = session.name();
  std::lock_guard lock(mutex_);
  LinkSession*& current = sessions_[sensor];
  if (current != nullptr) {
    LogWarning(
        "sensor {} connected again while its older stream was open, which is closed: it lost "
        "its link or was started anew, or two hosts use one certificate",
        sensor);
    current->Cancel();
  }
  current = &session;
  gone_.erase(sensor);
  std::vector<uint64_t> done;
  for (const uint64_t epoch : epochs) {
    done.push_back(ProgressLocked(sensor, epoch).Done());
  }
  return done;
}

LinkService::Progress& LinkService::ProgressLocked(const SensorName& sensor, uint64_t epoch) {
  std::map<uint64_t, Progress>& known = progress_[sensor];
  const auto found = known.find(epoch);
  if (found != known.end()) {
    return found->second;
  }
  if (known.size() >= kMostEpochs) {
    // Of one that is forgotten too early, the store still refuses what it has.
    const auto over = std::find_if(known.begin(), known.end(), [](const auto& entry) {
      return entry.second.committed >= entry.second.pushed;
    });
    known.erase(over == known.end() ? known.begin() : over);
  }
  const auto mark = marks_.find({sensor, epoch});
  const uint64_t stored = mark == marks_.end() ? 0 : mark->second;
  return known.emplace(epoch, Progress{stored, stored, stored}).first->second;
}

void LinkService::Unregister(LinkSession& session, bool goodbye) {
  std::lock_guard lock(mutex_);
  all_.erase(&session);
  std::erase_if(held_up_, [&](const auto& held) { return held.get() == &session; });
  std::erase_if(paused_, [&](const auto& paused) { return paused.second.get() == &session; });
  if (!IsCurrentLocked(session)) {
    return;  // never greeted, or replaced
  }
  sessions_.erase(session.name());
  gone_[session.name()] = goodbye;
  TellGoneLocked();
}

bool LinkService::Push(LinkEvent& event, LinkSession& session, bool again) {
  std::lock_guard lock(mutex_);
  if (!IsCurrentLocked(session)) {
    return true;
  }
  Progress* progress = nullptr;
  uint64_t last = 0;
  if (auto* batch = std::get_if<IngestedBatch>(&event)) {
    progress = &ProgressLocked(session.name(), batch->epoch);
    last = batch->first_sequence + batch->records.size() - 1;
    if (last <= progress->received) {
      return true;  // nothing new
    }
    if (batch->first_sequence <= progress->received) {
      const auto known = static_cast<ptrdiff_t>(progress->received - batch->first_sequence + 1);
      batch->records.erase(batch->records.begin(), batch->records.begin() + known);
      batch->first_sequence = progress->received + 1;
    }
  }
  const bool my_turn = again || held_up_.empty();
  if (!reading_ || !my_turn || !events_.TryPush(std::move(event))) {
    held_up_.insert(again ? held_up_.begin() : held_up_.end(), session.shared_from_this());
    return false;
  }
  if (progress != nullptr) {
    progress->received = progress->pushed = last;
  }
  return true;
}

void LinkService::Refused(LinkSession& session, uint64_t epoch, uint64_t sequence) {
  std::lock_guard lock(mutex_);
  if (!IsCurrentLocked(session)) {
    return;
  }
  Progress& progress = ProgressLocked(session.name(), epoch);
  progress.received = std::max(progress.received, sequence);
  if (progress.Done() >= sequence) {
    session.QueueAck(epoch, progress.Done());
  }
}

Duration LinkService::Charge(const SensorName& sensor, size_t records) {
  const MonoTime now = Now().mono;
  std::lock_guard lock(mutex_);
  Allowance& quota =
      quotas_.try_emplace(sensor, records_per_second_, 2 * records_per_second_).first->second;
  quota.Left(now);
  quota.Take(static_cast<double>(records));
  return quota.Debt();
}

void LinkService::Pause(LinkSession& session, MonoTime when) {
  std::lock_guard lock(mutex_);
  if (all_.contains(&session)) {
    paused_.emplace_back(when, session.shared_from_this());
  }
}

bool LinkService::IsCurrentLocked(const LinkSession& session) const {
  const auto it = sessions_.find(session.name());
  return it != sessions_.end() && it->second == &session;
}

void LinkService::TellGoneLocked() {
  while (reading_ && !gone_.empty()) {
    const auto first = gone_.begin();
    if (!events_.TryPush(SensorDisconnected{first->first, first->second})) {
      return;
    }
    gone_.erase(first);
  }
}

void LinkService::EndSilentLocked() {
  const MonoTime now = Now().mono;
  for (LinkSession* session : all_) {
    const bool silent = !session->greeted() && now - session->started() >= hello_within_;
    if (silent || session->DismissedFor(now) >= kDismissedWithin) {
      session->Cancel();
    }
  }
}

void LinkService::EndExpired() {
  const WallTime now = Now().wall;
  std::vector<std::shared_ptr<LinkSession>> over;
  {
    std::lock_guard lock(mutex_);
    for (LinkSession* session : all_) {
      if (session->expires() <= now && !session->dismissed()) {
        over.push_back(session->shared_from_this());
      }
    }
  }
  for (const auto& session : over) {
    LogWarning("sensor {}: its stream is closed: its certificate has expired", session->name());
    session->Dismiss({grpc::StatusCode::UNAUTHENTICATED,
                      fmt::format("the client certificate expired at {}; enroll this sensor again",
                                  FormatRfc3339(session->expires()))});
  }
}

}  // namespace parallax::collector
