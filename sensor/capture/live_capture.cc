#include "sensor/capture/live_capture.h"

#include <errno.h>
#include <poll.h>

#include <chrono>

#include "sensor/capture/interface_tap.h"

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

constexpr int kPollMillis = 10;
constexpr Duration kLookEvery = 1s;
constexpr int kBatch = 1024;  // frames of one interface before the next gets its turn

}  // namespace

LiveCapture::LiveCapture(std::vector<std::unique_ptr<InterfaceTap>> taps)
    : taps_(std::move(taps)) {}
LiveCapture::~LiveCapture() = default;

Result<std::unique_ptr<LiveCapture>> LiveCapture::Open(LiveCaptureOptions options) {
  if (options.interfaces.empty()) {
    return Fail(ErrorCode::kUsage, "no interface to capture on");
  }
  std::vector<std::unique_ptr<InterfaceTap>> taps;
  for (const std::string& name : options.interfaces) {
    auto tap = std::make_unique<InterfaceTap>(name, options);
    if (auto opened = tap->Open(); !opened) {
      return tl::make_unexpected(opened.error());
    }
    taps.push_back(std::move(tap));
  }
  std::unique_ptr<LiveCapture> capture(new LiveCapture(std::move(taps)));
  capture->Look(Now(), {});
  return capture;
}

void LiveCapture::Run(const Handlers& handlers, const std::atomic<bool>& stop) {
  std::vector<pollfd> polls;
  MonoTime look_at = Now().mono + kLookEvery;
  while (!stop.load(std::memory_order_relaxed)) {
    polls.clear();
    for (const auto& tap : taps_) {
      polls.push_back({.fd = tap->fd(), .events = POLLIN, .revents = 0});  // -1 is passed over
    }
    const int ready = poll(polls.data(), polls.size(), kPollMillis);
    if (ready > 0) {
      for (size_t i = 0; i < taps_.size(); ++i) {
        if (polls[i].revents != 0) {
          taps_[i]->Dispatch(kBatch, frames_, handlers);
        }
      }
    }
    const Moment now = Now();
    if (now.mono >= look_at) {
      look_at = now.mono + kLookEvery;
      Look(now, handlers);
    }
    handlers.idle(now);
  }
  Look(Now(), handlers);
}

void LiveCapture::Look(const Moment& now, const Handlers& handlers) {
  std::vector<InterfaceHealth> health;
  for (const auto& tap : taps_) {
    tap->Look(now.mono, handlers);
    health.push_back(tap->Health());
  }
  std::lock_guard lock(health_mutex_);
  health_ = std::move(health);
}

std::vector<InterfaceHealth> LiveCapture::Health() const {
  std::lock_guard lock(health_mutex_);
  return health_;
}

}  // namespace parallax::sensor
