// Captures on several named interfaces at once, in one thread: Linux memory-mapped rings
// (TPACKET_V3), nanosecond stamps, our own kernel filter. An interface that goes down or away is
// tried again by name for as long as it takes; the others go on meanwhile.
//
// Needs CAP_NET_RAW in Open(), and again whenever an interface was re-created.
// Threads: Run() belongs to one thread; Health() may be called from any.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/records.h"
#include "common/result.h"
#include "common/time.h"
#include "sensor/capture/bpf_program.h"
#include "sensor/capture/segment.h"

namespace parallax::sensor {

struct LiveCaptureOptions {
  std::vector<std::string> interfaces;
  FilterScope scope = FilterScope::kSynOrRst;
  bool promiscuous = false;
  int snap_length = 256;  // bytes: link and tags 26, MPLS 16, IPv6 40, extensions 100, TCP
  // Shared by the interfaces, 2 MiB each at the least; 64 MiB hold some 400 000 SYNs.
  size_t ring_bytes = size_t{64} << 20;
  // How long the kernel may hold back a ring block that is not full: bounds the latency.
  std::chrono::milliseconds block_timeout{10};
};

class InterfaceTap;

class LiveCapture {
 public:
  using Sink = std::function<void(const CapturedSegment&)>;
  using Idle = std::function<void(const Moment&)>;

  // Opens every interface. kUsage without any; kNotFound for a name this host does not have;
  // kPermission if the kernel does not let us. An interface that is merely down is no error.
  static Result<std::unique_ptr<LiveCapture>> Open(LiveCaptureOptions options);
  ~LiveCapture();

  // Captures until `stop` is set, which is noticed within 10 ms. `sink` gets each segment; `idle`
  // is called between batches, every 10 ms or more often, with the time.
  // REQUIRES: neither of them throws.
  void Run(const Sink& sink, const Idle& idle, const std::atomic<bool>& stop);

  // One entry per interface, in the order of the options; counters at most a second old.
  std::vector<InterfaceHealth> Health() const;

 private:
  explicit LiveCapture(std::vector<std::unique_ptr<InterfaceTap>> taps);
  void Look(const Moment& now);

  std::vector<std::unique_ptr<InterfaceTap>> taps_;
  uint64_t frames_ = 0;
  mutable std::mutex health_mutex_;
  std::vector<InterfaceHealth> health_;
};

}  // namespace parallax::sensor
