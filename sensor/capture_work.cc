#include "sensor/capture_work.h"

#include "common/log.h"
#include "sensor/link/convert.h"

namespace parallax::sensor {
namespace {

constexpr size_t kBatch = 64;
constexpr Duration kWarnEvery = std::chrono::minutes(1);

}  // namespace

void CaptureWork::See(const CapturedSegment& captured) {
  batch_.push_back(captured);
  if (batch_.size() >= kBatch) {
    Flush();
  }
}

void CaptureWork::Hear(const CapturedAnnouncement& captured) {
  announcements_.Hear(captured, fresh_);
  Forward(captured.seen);
}

void CaptureWork::Lose(const CaptureLoss& loss) {
  Flush();
  observer_.NoteLoss(loss.concerns(), loss.until);
}

void CaptureWork::Idle(const Moment& now) {
  Flush();
  observer_.Advance(now, counters_.At(now.mono), fresh_);
  announcements_.Advance(now.mono, fresh_);
  Forward(now.mono);
  const ObserverStats stats = observer_.stats();
  syns_seen_ = stats.tracker.syns;
  attempts_evicted_ = stats.tracker.evicted;
  segments_unsampled_ = stats.tracker.unsampled;
  WarnOfTooManyAnnouncements(now.mono);
}

void CaptureWork::AddTo(SensorHealth& health) const {
  health.syns_seen = syns_seen_;
  health.attempts_evicted = attempts_evicted_;
  health.segments_unsampled = segments_unsampled_;
}

void CaptureWork::Flush() {
  observer_.See(batch_, fresh_);
  if (!batch_.empty()) {
    Forward(batch_.back().seen);
    batch_.clear();
  }
}

void CaptureWork::Forward(MonoTime now) {
  if (fresh_.empty()) {
    return;
  }
  const Moment clock = Now();
  for (const Record& record : fresh_) {
    spool_.Append(ClassOf(record), Encode(record), clock + (now - clock.mono));
  }
  fresh_.clear();
}

void CaptureWork::WarnOfTooManyAnnouncements(MonoTime now) {
  const AnnouncementWatchStats stats = announcements_.stats();
  const uint64_t turned_away = stats.held_back + stats.no_room;
  if (turned_away > turned_away_ && now - warned_at_ >= kWarnEvery) {
    LogWarning("too many hosts announce gateways to follow them all: {} announcements left out",
               turned_away - turned_away_);
    turned_away_ = turned_away;
    warned_at_ = now;
  }
}

}  // namespace parallax::sensor
