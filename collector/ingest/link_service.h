// The collector's end of the sensor link: one reactor per stream. Its callbacks parse, push to the
// engine's queue, and nothing else; when the queue is full the stream is not read, its window
// closes, and the sensor's spool takes over. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "collector/ingest/events.h"
#include "common/queue.h"
#include "common/records.h"
#include "parallax/v1/link.grpc.pb.h"

namespace parallax::collector {

class LinkSession;

class LinkService final : public v1::SensorLink::CallbackService {
 public:
  explicit LinkService(BoundedQueue<LinkEvent>& events) : events_(events) {}
  ~LinkService() override;

  grpc::ServerBidiReactor<v1::FromSensor, v1::ToSensor>* Session(
      grpc::CallbackServerContext* context) override;

  // Hands orders to a sensor's stream; dropped, and counted, if it has none or is slow.
  void SendOrders(const SensorName& sensor, const std::vector<ProbeOrder>& orders);
  // Everything up to `sequence` is on disk: tells the sensor.
  void Committed(const SensorName& sensor, uint64_t epoch, uint64_t sequence);
  // The engine has made room in its queue: streams that were held up go on.
  void Resume();
  // From now on nothing is pushed: streams are not read any more.
  void StopReading();
  // Ends all streams, so that the server can shut down.
  void CloseAll();

  uint64_t orders_dropped() const { return orders_dropped_; }

 private:
  friend class LinkSession;

  // What is known of one start of one sensor.
  struct Progress {
    uint64_t epoch = 0;
    uint64_t received = 0;   // highest sequence handed to the engine
    uint64_t committed = 0;  // highest sequence on disk
  };

  // From sessions. `Register` makes the session its sensor's only one and ends an older one.
  uint64_t Register(const SensorName& sensor, uint64_t epoch, LinkSession* session);
  void Unregister(LinkSession* session, bool goodbye);
  // False if the queue is full; then the session is called again by Resume.
  // What a batch repeats of what was received before is cut off.
  bool Push(LinkEvent& event, const std::shared_ptr<LinkSession>& session);

  BoundedQueue<LinkEvent>& events_;
  std::mutex mutex_;
  bool closing_ = false;
  bool reading_ = true;
  std::unordered_map<SensorName, LinkSession*> sessions_;
  std::set<LinkSession*> all_;
  std::set<std::shared_ptr<LinkSession>> held_up_;
  std::unordered_map<SensorName, Progress> progress_;
  std::atomic<uint64_t> orders_dropped_ = 0;
};

}  // namespace parallax::collector
