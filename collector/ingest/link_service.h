// The collector's end of the sensor link: one reactor per stream. Its callbacks parse, push to the
// engine's queue, and nothing else; when the queue is full the stream is not read, its window
// closes, and the sensor's spool takes over. Streams that were held up go on in the order in which
// they came to wait, one message each, so that a loud sensor does not crowd out the others.
// Thread-safe.
//
// What reaches the queue of one sensor is in order, each record once, and between its Connected and
// its Disconnected: a stream that was replaced by a newer one of the same sensor is silent.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "collector/ingest/events.h"
#include "collector/ingest/link_renewal.h"
#include "collector/ingest/link_server.h"
#include "common/allowance.h"
#include "common/queue.h"
#include "common/records.h"
#include "parallax/v1/link.grpc.pb.h"

namespace parallax::collector {

class LinkSession;

class LinkService final : public v1::SensorLink::CallbackService {
 public:
  LinkService(BoundedQueue<LinkEvent>& events, std::shared_ptr<const IdentityHolder> identity,
              const LinkServerOptions& options);
  ~LinkService() override;

  grpc::ServerBidiReactor<v1::FromSensor, v1::ToSensor>* Session(
      grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* Renew(grpc::CallbackServerContext* context,
                                  const v1::RenewRequest* request, v1::Renewed* reply) override;
  grpc::ServerUnaryReactor* GetTime(grpc::CallbackServerContext* context,
                                    const v1::GetTimeRequest* request,
                                    v1::CollectorTime* reply) override;

  // The CAs in `identity` are others now: tells all streams.
  void TellTrust();
  // Hands orders to a sensor's stream; dropped, and counted, if it has none or is slow.
  void SendOrders(const SensorName& sensor, const std::vector<Order>& orders);
  // Everything up to `sequence` is on disk: tells the sensor.
  void Committed(const SensorName& sensor, uint64_t epoch, uint64_t sequence);
  // The engine has made room in its queue: streams that were held up go on. Called at least a few
  // times per second, also without need: it ends streams whose sensor never said hello, or whose
  // certificate has expired.
  void Resume();
  // Ends the streams of a sensor that may not speak any more, and tells it why. What it said before
  // and was not pushed yet is dropped; one that does not listen is cut off by a later Resume.
  void End(const SensorName& sensor, const std::string& why);
  // From now on nothing is pushed: streams are not read any more.
  void StopReading();
  // Ends all streams, so that the server can shut down.
  void CloseAll();

  uint64_t orders_dropped() const { return orders_dropped_; }

 private:
  friend class LinkSession;

  // What is known of one epoch of one sensor.
  struct Progress {
    uint64_t received = 0;   // highest sequence handed to the engine, or refused for good
    uint64_t pushed = 0;     // highest sequence handed to the engine
    uint64_t committed = 0;  // highest sequence on disk

    // What the sensor need not send again. What was refused counts, once all before it is on disk.
    uint64_t Done() const {
      return committed >= pushed && received > committed ? received : committed;
    }
  };

  struct Caller {
    PeerName peer;
    WallTime expires;  // its certificate
  };
  // Who calls, if it may; the error is the answer.
  tl::expected<Caller, grpc::Status> Admit(const grpc::CallbackServerContext& context) const;
  std::string ca_pem() const;
  // From sessions. `Register` makes the session its sensor's only one and ends an older one;
  // returns of each epoch the last sequence that the sensor need not send again.
  std::vector<uint64_t> Register(LinkSession& session, const std::vector<uint64_t>& epochs);
  void Unregister(LinkSession& session, bool goodbye);
  // False if the event has to wait; then Resume calls the session's TryAgain, `again` is true, and
  // another false keeps its place in the line. What a batch repeats of what was received before is
  // cut off, and events of a session that was replaced or is over are dropped.
  bool Push(LinkEvent& event, LinkSession& session, bool again);
  // The records up to `sequence` that were not pushed are malformed: they never will be.
  void Refused(LinkSession& session, uint64_t epoch, uint64_t sequence);
  // Takes so many records off the sensor's quota; how long to wait before the next, if it is spent.
  Duration Charge(const SensorName& sensor, size_t records);
  // Resume calls the session's ReadOn, not before `when`.
  void Pause(LinkSession& session, MonoTime when);

  bool IsCurrentLocked(const LinkSession& session) const;
  Progress& ProgressLocked(const SensorName& sensor, uint64_t epoch);
  void TellGoneLocked();
  void EndSilentLocked();
  void EndExpired();

  BoundedQueue<LinkEvent>& events_;
  const std::shared_ptr<const IdentityHolder> identity_;
  LinkRenewal renewal_;
  const Duration hello_within_;
  const double records_per_second_;
  const decltype(LinkServerOptions::may_speak) may_speak_;
  std::map<std::pair<SensorName, uint64_t>, uint64_t> marks_;  // from before our start
  std::mutex mutex_;
  bool closing_ = false;
  uint64_t endings_ = 0;  // calls of End
  bool reading_ = true;
  std::unordered_map<SensorName, LinkSession*> sessions_;  // the current one of each sensor
  std::set<LinkSession*> all_;                             // until OnDone
  std::deque<std::shared_ptr<LinkSession>> held_up_;       // first come, first served
  std::map<SensorName, bool> gone_;  // not yet told for want of room; true: it said goodbye
  std::unordered_map<SensorName, std::map<uint64_t, Progress>> progress_;  // by epoch
  std::unordered_map<SensorName, Allowance> quotas_;
  std::vector<std::pair<MonoTime, std::shared_ptr<LinkSession>>> paused_;
  std::atomic<uint64_t> orders_dropped_ = 0;
};

}  // namespace parallax::collector
