// One stream of one sensor. Owned by itself until gRPC says OnDone, and by the service while it is
// held up: TryAgain may run during and after OnDone, and then finds that nothing is left to do.
//
//   accepted --Hello ok--> live --Goodbye, error, cancel--> finished --OnDone--> gone
//
// Reading: one message at a time; the next StartRead comes when the last message has found room in
// the engine's queue. Writing: one message at a time from a bounded list; acks collapse to the
// last of their epoch.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "collector/ingest/convert.h"
#include "collector/ingest/link_service.h"

namespace parallax::collector {

class LinkSession final : public grpc::ServerBidiReactor<v1::FromSensor, v1::ToSensor>,
                          public std::enable_shared_from_this<LinkSession> {
 public:
  static LinkSession* Start(LinkService& service, grpc::CallbackServerContext* context,
                            const PeerName& peer, WallTime expires,
                            std::optional<IpAddress> address);

  // From the service, with its mutex held; none of them calls back into the service.
  void QueueOrders(const std::vector<Order>& orders, std::atomic<uint64_t>& dropped);
  void QueueAck(uint64_t epoch, uint64_t sequence);
  void QueueTrust(const std::string& ca_pem);
  void Cancel();
  // Ends it with words for the sensor. Cancel it if it does not hear them.
  void Dismiss(const grpc::Status& status);
  bool dismissed() const { return dismissed_.load() != MonoTime(); }
  Duration DismissedFor(MonoTime now) const;  // zero if it was not
  const SensorName& name() const { return name_; }
  bool greeted() const { return greeted_; }
  MonoTime started() const { return started_; }
  WallTime expires() const { return expires_; }  // its certificate

  // The engine's queue has room again; false if not enough. Without the service's mutex.
  bool TryAgain();
  // The pause of a sensor that sent too much is over. Without the service's mutex.
  void ReadOn();

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  LinkSession(LinkService& service, grpc::CallbackServerContext* context, const PeerName& peer,
              WallTime expires, std::optional<IpAddress> address);
  void Handle();
  void HandleHello();
  void HandleBatch();
  void HandleIdentity();
  void NoteRefused(const ReadBatch& batch, uint64_t epoch);
  // Pushes what waits, in order, and reads on once nothing waits. False if it is held up: from then
  // on another thread may be at work in it.
  bool Deliver(bool again);
  void End(const grpc::Status& status);
  void StartNextWriteLocked();

  std::shared_ptr<LinkSession> self_;  // until OnDone
  LinkService& service_;
  grpc::CallbackServerContext* context_;
  const SensorName name_;
  const std::string group_;
  const WallTime expires_;
  const std::optional<IpAddress> address_;
  const MonoTime started_ = Now().mono;
  std::atomic<MonoTime> dismissed_{};

  // Reading side: one callback at a time, or TryAgain while no read is under way.
  v1::FromSensor in_;
  std::deque<LinkEvent> waiting_;
  std::atomic<bool> greeted_ = false;
  bool goodbye_ = false;
  uint32_t protocol_ = 0;
  uint64_t epoch_ = 0;  // of all batches in protocol 2
  MonoTime next_health_{};
  Duration pause_{};  // before the next read
  uint64_t refused_records_ = 0;
  uint64_t identities_ = 0;          // told
  MonoTime next_kept_{};             // not every refused batch is kept
  std::optional<v1::Nack> refusal_;  // of the batch in hand, if part of it is malformed

  // Writing side.
  std::mutex write_mutex_;
  v1::ToSensor out_;
  bool writing_ = false;
  bool welcomed_ = false;  // nothing is written before the Welcome
  bool finished_ = false;  // Finish was called: nothing may be started any more
  std::optional<v1::Welcome> welcome_;
  std::map<uint64_t, uint64_t> acks_;  // by epoch; the last one says it all
  std::deque<v1::Nack> nacks_;
  std::deque<v1::Order> orders_;
  std::optional<std::string> trust_;  // the latest one
};

}  // namespace parallax::collector
