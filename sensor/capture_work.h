// The capture thread's work: segments and announcements in, records out to the spool. Only AddTo may
// be called from other threads.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "common/records.h"
#include "sensor/announce/announcement_watch.h"
#include "sensor/capture/host_counters.h"
#include "sensor/capture/live_capture.h"
#include "sensor/observe/observer.h"
#include "sensor/spool/spool.h"

namespace parallax::sensor {

class CaptureWork {
 public:
  CaptureWork(const ObserverOptions& options, Spool& spool) : observer_(options), spool_(spool) {}

  void See(const CapturedSegment& captured);
  void Hear(const CapturedAnnouncement& captured);
  void Lose(const CaptureLoss& loss);
  void Idle(const Moment& now);

  void AddTo(SensorHealth& health) const;

 private:
  void Flush();
  void Forward(MonoTime now);
  void WarnOfTooManyAnnouncements(MonoTime now);

  Observer observer_;
  AnnouncementWatch announcements_;
  uint64_t turned_away_ = 0;  // as far as said
  MonoTime warned_at_;
  Spool& spool_;
  std::vector<CapturedSegment> batch_;
  std::vector<Record> fresh_;
  HostCounterWatch counters_;
  std::atomic<uint64_t> syns_seen_ = 0;
  std::atomic<uint64_t> attempts_evicted_ = 0;
  std::atomic<uint64_t> segments_unsampled_ = 0;
};

}  // namespace parallax::sensor
