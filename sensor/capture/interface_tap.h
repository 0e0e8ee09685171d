// One interface under capture through all its ups and downs. The kernel keeps a packet socket
// alive while its interface is down, so the handle is kept then; once the interface is gone or has
// been made anew, the handle is dead and a new one is opened by name: at once, then after 1, 2, 4
// ... 30 s.
//
//   up <--> silent    up, silent <--> down    up, silent, down --> gone --> up
//   any --> no_permission --> up
//
// silent: up, but nobody is heard there: no carrier, or not one frame of any kind for a minute.
//
// Belongs to the capture thread. Behind LiveCapture; use that.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "common/records.h"
#include "common/result.h"
#include "sensor/capture/live_capture.h"

namespace parallax::sensor {

class InterfaceTap {
 public:
  InterfaceTap(std::string name, const LiveCaptureOptions& options);
  ~InterfaceTap();

  // Errors as for LiveCapture::Open().
  Result<void> Open();
  // -1 while there is no handle.
  int fd() const;
  using Sink = std::function<void(const CapturedSegment&)>;
  using AnnouncementSink = std::function<void(const CapturedAnnouncement&)>;
  using LossSink = std::function<void(const CaptureLoss&)>;

  // Hands over the segments and announcements of at most `most` queued frames, not numbered yet;
  // before them, what the kernel has dropped.
  void Dispatch(int most, const Sink& sink, const AnnouncementSink& announcement,
                const LossSink& loss);
  // Once a second, more often while there is no handle: counters, state, another try if it is time.
  // `loss` may be empty.
  void Look(MonoTime now, const LossSink& loss);
  InterfaceHealth Health() const;

 private:
  struct Handle;
  struct Batch;
  enum class State { kUp, kSilent, kDown, kGone, kNoPermission };

  void Take(const Batch& batch, std::span<const uint8_t> captured, uint32_t wire_length,
            WallTime stamp) const;
  void Close(MonoTime now, const LossSink& loss);
  void CountDrops(MonoTime now, const LossSink& loss);
  // Why an interface that is up says nothing; empty if it does.
  std::string Silence(bool carrier, MonoTime now);
  void Enter(State state, const std::string& why);
  bool IsPseudo() const { return name_ == "any"; }

  const std::string name_;
  const LiveCaptureOptions options_;
  std::unique_ptr<Handle> handle_;
  State state_ = State::kGone;
  unsigned index_ = 0;  // of the interface the handle is bound to
  Duration back_off_{};
  MonoTime retry_at_;
  bool was_open_ = false;
  bool troubled_ = false;  // said so since it was last up
  uint64_t received_ = 0;
  uint64_t dropped_ = 0;
  uint64_t frames_heard_ = 0;  // the interface's own count when it was last seen to grow
  MonoTime heard_at_;
};

}  // namespace parallax::sensor
