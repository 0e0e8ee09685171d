// Captures on several named interfaces at once, in one thread: Linux memory-mapped rings
// (TPACKET_V3), nanosecond stamps, our own kernel filter. An interface that goes down or away is
// tried again by name for as long as it takes; the others go on meanwhile. What was lost is told
// before the segments that come after the loss. Segments of several interfaces come in the order of
// their stamps, as nearly as the kernel lets us have them: a copy of a packet that was seen going
// in comes before one that was seen going out.
//
// Needs CAP_NET_RAW in Open(), and again whenever an interface was re-created.
// Threads: Run() belongs to one thread; Health() may be called from any.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "common/records.h"
#include "common/result.h"
#include "common/time.h"
#include "sensor/capture/announcement_packet.h"
#include "sensor/capture/decode.h"
#include "sensor/capture/segment.h"

namespace parallax::sensor {

class InterfaceTap;
class UserFilter;

struct LiveCaptureOptions {
  std::vector<std::string> interfaces;
  SegmentScope scope = SegmentScope::kSynOrRst;
  AnnouncementScope announcements = AnnouncementScope::kNone;
  bool promiscuous = false;
  // Bytes: link and tags 26, MPLS 16, IPv6 40, extensions 100, TCP. More if announcements are
  // captured.
  int snap_length = 256;
  // Shared by the interfaces, 2 MiB each at the least; 64 MiB hold 300 000 SYNs and more.
  size_t ring_bytes = size_t{64} << 20;
  // How long the kernel may hold back a ring block that is not full. Bounds the latency; but a
  // block given up early still takes 256 KiB of the ring, so it also bounds how long the reader may
  // be kept waiting while frames trickle in: 64 MiB / 256 KiB * 2 ms = 0.5 s.
  std::chrono::milliseconds block_timeout{2};
  const UserFilter* filter = nullptr;  // narrows the capture; outlives it
};

// Frames may have been there that we have not seen.
struct CaptureLoss {
  std::string_view interface;
  MonoTime until;        // when it was noticed: what happens later is seen again
  uint64_t packets = 0;  // dropped by the kernel; 0 if the interface was not being captured

  // Drops hit whatever came, on any interface (empty); one without capture only misses its own.
  std::string_view concerns() const { return packets > 0 ? std::string_view() : interface; }
};

class LiveCapture {
 public:
  // What Run() calls, on its thread. REQUIRES: none of them throws.
  struct Handlers {
    std::function<void(const CapturedSegment&)> segment;
    std::function<void(const CaptureLoss&)> loss;
    std::function<void(const Moment&)> idle;  // between batches, every 10 ms or more often
    // Needed if the options ask for them. Come at once: not in one order with the segments.
    std::function<void(const CapturedAnnouncement&)> announcement = {};
  };

  static constexpr size_t kMostInterfaces = 64;

  // Opens every interface. kUsage without any, with more than 64 or one twice; kNotFound for a name
  // this host does not have; kPermission if the kernel does not let us. An interface that is merely
  // down is no error.
  static Result<std::unique_ptr<LiveCapture>> Open(LiveCaptureOptions options);
  ~LiveCapture();

  // Captures until `stop` is set, which is noticed within 10 ms; then hands over what the kernel
  // has already captured, for a second at the most.
  void Run(const Handlers& handlers, const std::atomic<bool>& stop);

  // One entry per interface, in the order of the options; counters at most a second old.
  std::vector<InterfaceHealth> Health() const;

 private:
  LiveCapture(std::vector<std::unique_ptr<InterfaceTap>> taps, Duration merge_wait);
  // One turn of all interfaces; false if none had anything.
  bool Dispatch(int timeout_ms, const Handlers& handlers);
  // Hands over the segments that nothing earlier can follow.
  void HandOver(MonoTime up_to, const Handlers& handlers);
  void Look(const Moment& now, const Handlers& handlers);

  std::vector<std::unique_ptr<InterfaceTap>> taps_;
  const Duration merge_wait_;  // zero for one interface: nothing to merge
  std::vector<CapturedSegment> waiting_;
  uint64_t frames_ = 0;
  mutable std::mutex health_mutex_;
  std::vector<InterfaceHealth> health_;
};

}  // namespace parallax::sensor
