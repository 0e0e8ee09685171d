#include "sensor/capture/live_capture.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "sensor/capture/interface_tap.h"

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

constexpr int kPollMillis = 10;
constexpr int kPollWaitingMillis = 1;  // while segments wait for earlier ones
constexpr Duration kLookEvery = 1s;
constexpr Duration kLookForMissing = 100ms;  // at an interface that is not being captured
constexpr Duration kDrainFor = 1s;
constexpr int kBatch = 1024;  // frames of one interface before the next gets its turn

}  // namespace

LiveCapture::LiveCapture(std::vector<std::unique_ptr<InterfaceTap>> taps, Duration merge_wait)
    : taps_(std::move(taps)), merge_wait_(merge_wait) {}
LiveCapture::~LiveCapture() = default;

Result<std::unique_ptr<LiveCapture>> LiveCapture::Open(LiveCaptureOptions options) {
  if (options.interfaces.empty()) {
    return Fail(ErrorCode::kUsage, "no interface to capture on");
  }
  if (options.interfaces.size() > kMostInterfaces) {
    return Fail(ErrorCode::kUsage, "more than 64 interfaces to capture on");
  }
  std::vector<std::unique_ptr<InterfaceTap>> taps;
  for (const std::string& name : options.interfaces) {
    if (std::count(options.interfaces.begin(), options.interfaces.end(), name) > 1) {
      return Fail(ErrorCode::kUsage, "interface " + name + " is named twice");
    }
    auto tap = std::make_unique<InterfaceTap>(name, options);
    if (auto opened = tap->Open(); !opened) {
      return tl::make_unexpected(opened.error());
    }
    taps.push_back(std::move(tap));
  }
  std::unique_ptr<LiveCapture> capture(new LiveCapture(
      std::move(taps), options.interfaces.size() > 1 ? options.block_timeout : 0ms));
  capture->Look(Now(), {});
  return capture;
}

void LiveCapture::Run(const Handlers& handlers, const std::atomic<bool>& stop) {
  MonoTime look_at = Now().mono + kLookEvery;
  while (!stop.load(std::memory_order_relaxed)) {
    Dispatch(waiting_.empty() ? kPollMillis : kPollWaitingMillis, handlers);
    const Moment now = Now();
    HandOver(now.mono - merge_wait_, handlers);
    if (now.mono >= look_at) {
      Look(now, handlers);
      const bool all =
          std::all_of(taps_.begin(), taps_.end(), [](auto& t) { return t->fd() >= 0; });
      look_at = now.mono + (all ? kLookEvery : kLookForMissing);
    }
    handlers.idle(now);
  }
  // The first wait lets the kernel give up the block that it is filling.
  const MonoTime give_up = Now().mono + kDrainFor;
  for (bool more = Dispatch(kPollMillis, handlers); more && Now().mono < give_up;) {
    HandOver(Now().mono - merge_wait_, handlers);
    more = Dispatch(0, handlers);
  }
  HandOver(MonoTime::max(), handlers);
  Look(Now(), handlers);
}

bool LiveCapture::Dispatch(int timeout_ms, const Handlers& handlers) {
  std::array<pollfd, kMostInterfaces> polls;
  for (size_t i = 0; i < taps_.size(); ++i) {
    polls[i] = {.fd = taps_[i]->fd(), .events = POLLIN, .revents = 0};  // -1 is passed over
  }
  if (poll(polls.data(), taps_.size(), timeout_ms) <= 0) {
    return false;
  }
  const bool merge = merge_wait_ > Duration::zero();
  const auto take = [&](const CapturedSegment& segment) {
    waiting_.push_back(segment);
    if (!merge) {
      HandOver(MonoTime::max(), handlers);
    }
  };
  const auto announce = [&](CapturedAnnouncement announcement) {
    announcement.frame = ++frames_;
    handlers.announcement(announcement);
  };
  for (size_t i = 0; i < taps_.size(); ++i) {
    if (polls[i].revents != 0) {
      taps_[i]->Dispatch(kBatch, take, announce, handlers.loss);
    }
  }
  return true;
}

void LiveCapture::HandOver(MonoTime up_to, const Handlers& handlers) {
  if (waiting_.size() > 1) {
    std::stable_sort(
        waiting_.begin(), waiting_.end(),
        [](const CapturedSegment& a, const CapturedSegment& b) { return a.seen < b.seen; });
  }
  auto it = waiting_.begin();
  for (; it != waiting_.end() && it->seen <= up_to; ++it) {
    it->frame = ++frames_;
    handlers.segment(*it);
  }
  waiting_.erase(waiting_.begin(), it);
}

void LiveCapture::Look(const Moment& now, const Handlers& handlers) {
  std::vector<InterfaceHealth> health;
  for (const auto& tap : taps_) {
    tap->Look(now.mono, handlers.loss);
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
