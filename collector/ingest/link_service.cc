#include "collector/ingest/link_service.h"

#include <grpcpp/server_context.h>

#include <algorithm>
#include <utility>

#include "collector/ingest/link_session.h"
#include "common/grpc_security.h"
#include "common/log.h"

namespace parallax::collector {
namespace {

// A stream that is over before it began.
class Refusal final : public grpc::ServerBidiReactor<v1::FromSensor, v1::ToSensor> {
 public:
  explicit Refusal(const grpc::Status& status) { Finish(status); }
  void OnDone() override { delete this; }
};

}  // namespace

LinkService::~LinkService() = default;

grpc::ServerBidiReactor<v1::FromSensor, v1::ToSensor>* LinkService::Session(
    grpc::CallbackServerContext* context) {
  const auto auth = context->auth_context();
  const auto peer = auth ? PeerSensor(*auth) : std::nullopt;
  if (!peer) {
    LogWarning("{}: its certificate names no sensor; refused", context->peer());
    return new Refusal({grpc::StatusCode::UNAUTHENTICATED,
                        "the client certificate names no sensor (make one with: "
                        "parallax-collector add-sensor)"});
  }
  LinkSession* session =
      LinkSession::Start(*this, context, peer->name, peer->group, PeerAddress(context->peer()));
  std::lock_guard lock(mutex_);
  all_.insert(session);
  if (closing_) {
    session->Cancel();
  }
  return session;
}

void LinkService::SendOrders(const SensorName& sensor, const std::vector<ProbeOrder>& orders) {
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
  Progress& progress = progress_[sensor];
  if (progress.epoch != epoch) {
    return;  // of an earlier start of the sensor: nobody waits for it
  }
  progress.committed = std::max(progress.committed, sequence);
  const auto it = sessions_.find(sensor);
  if (it != sessions_.end() && it->second->epoch() == epoch) {
    it->second->QueueAck(progress.committed);
  }
}

void LinkService::Resume() {
  std::set<std::shared_ptr<LinkSession>> ready;
  {
    std::lock_guard lock(mutex_);
    ready.swap(held_up_);
  }
  for (const auto& session : ready) {
    session->TryAgain();
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

uint64_t LinkService::Register(const SensorName& sensor, uint64_t epoch, LinkSession* session) {
  std::lock_guard lock(mutex_);
  LinkSession*& current = sessions_[sensor];
  if (current != nullptr && current != session) {
    LogInfo("sensor {} connected again; its older stream is closed", sensor);
    current->Cancel();
  }
  current = session;
  Progress& progress = progress_[sensor];
  if (progress.epoch != epoch) {
    progress = {epoch, 0, 0};
  }
  return progress.committed;
}

void LinkService::Unregister(LinkSession* session, bool goodbye) {
  const SensorName& sensor = session->name();
  {
    std::lock_guard lock(mutex_);
    all_.erase(session);
    std::erase_if(held_up_, [session](const auto& held) { return held.get() == session; });
    const auto it = sessions_.find(sensor);
    if (it == sessions_.end() || it->second != session) {
      return;
    }
    sessions_.erase(it);
  }
  // The queue may be full; but the engine learns of a loss by silence as well.
  events_.TryPush(SensorDisconnected{sensor, goodbye});
}

bool LinkService::Push(LinkEvent& event, const std::shared_ptr<LinkSession>& session) {
  std::lock_guard lock(mutex_);
  Progress* progress = nullptr;
  uint64_t last = 0;
  if (auto* batch = std::get_if<IngestedBatch>(&event)) {
    progress = &progress_[batch->sensor];
    last = batch->first_sequence + batch->records.size() - 1;
    if (progress->epoch != batch->epoch || last <= progress->received) {
      return true;  // nothing new; or a newer start of this sensor is connected
    }
    if (batch->first_sequence <= progress->received) {
      const auto known = static_cast<ptrdiff_t>(progress->received - batch->first_sequence + 1);
      batch->records.erase(batch->records.begin(), batch->records.begin() + known);
      batch->first_sequence = progress->received + 1;
    }
  }
  if (!reading_ || !events_.TryPush(std::move(event))) {
    held_up_.insert(session);
    return false;
  }
  if (progress != nullptr) {
    progress->received = last;
  }
  return true;
}

}  // namespace parallax::collector
