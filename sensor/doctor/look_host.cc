#include <fmt/format.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>

#include "common/fd.h"
#include "sensor/capture/interfaces.h"
#include "sensor/capture/live_capture.h"
#include "sensor/doctor/look.h"

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

constexpr Duration kLongEnough = 500ms;  // with frames on every interface
constexpr Duration kAtMost = 3s;         // without
constexpr size_t kRing = size_t{8} << 20;

// A number that the kernel shows in /sys/class/net; 0 if it does not.
uint64_t Shown(const std::string& interface, const char* what, int base) {
  const auto text = ReadSmallFile(fmt::format("/sys/class/net/{}/{}", interface, what));
  if (!text) {
    return 0;
  }
  const char* begin = text->c_str() + (text->starts_with("0x") ? 2 : 0);
  uint64_t number = 0;
  std::from_chars(begin, text->c_str() + text->size(), number, base);
  return number;
}

InterfaceFacts StateOf(const std::string& name) {
  const HostInterface interface = FindInterface(name);
  InterfaceFacts facts;
  facts.name = name;
  facts.exists = interface.index != 0;
  facts.up = interface.up;
  facts.carrier = interface.carrier;
  facts.frames_ever = FramesReceived(name).value_or(0);
  facts.missed_ever = Shown(name, "statistics/rx_missed_errors", 10);
  return facts;
}

// Listens on all of them until each has received something, or the deadline.
std::optional<Error> Listen(std::vector<InterfaceFacts*>& items, bool promiscuous,
                            MonoTime deadline) {
  LiveCaptureOptions options;
  for (const InterfaceFacts* item : items) {
    options.interfaces.push_back(item->name);
  }
  options.promiscuous = promiscuous;
  options.ring_bytes = kRing;
  auto capture = LiveCapture::Open(options);
  if (!capture) {
    return capture.error();
  }
  const MonoTime began = Now().mono;
  const MonoTime end = std::min<MonoTime>(deadline, began + kAtMost);
  std::atomic<bool> stop = false;
  (*capture)->Run({.segment = [](const CapturedSegment&) {},
                   .loss = [](const CaptureLoss&) {},
                   .idle =
                       [&](const Moment& now) {
                         const bool all = std::ranges::all_of(items, [](InterfaceFacts* item) {
                           item->frames =
                               FramesReceived(item->name).value_or(0) - item->frames_ever;
                           item->promiscuous = (Shown(item->name, "flags", 16) & IFF_PROMISC) != 0;
                           return item->frames > 0;
                         });
                         stop = now.mono >= end || (all && now.mono - began >= kLongEnough);
                       }},
                  stop);
  const std::vector<InterfaceHealth> health = (*capture)->Health();
  for (size_t i = 0; i < items.size() && i < health.size(); ++i) {
    items[i]->dropped = health[i].packets_dropped;
    items[i]->looked = Now().mono - began;
    items[i]->frames = FramesReceived(items[i]->name).value_or(0) - items[i]->frames_ever;
  }
  return std::nullopt;
}

}  // namespace

PersonFacts LookAtPerson() {
  PersonFacts facts;
  facts.uid = geteuid();
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  facts.net_raw =
      syscall(SYS_capget, &header, data) == 0 && (data[0].effective & (1u << CAP_NET_RAW)) != 0;
  return facts;
}

ClockFacts LookAtClock() {
  timex state{};  // modes 0: only asks
  const int said = adjtimex(&state);
  return {said < 0 ? std::nullopt : std::optional((state.status & STA_UNSYNC) == 0)};
}

InterfacesFacts LookAtInterfaces(const SensorConfig::Capture& config, MonoTime deadline) {
  InterfacesFacts facts;
  facts.named = !config.interfaces.empty();
  facts.want_promiscuous = config.promiscuous;
  std::vector<std::string> names = config.interfaces;
  if (!facts.named) {
    const auto host = ListInterfaces();
    if (!host) {
      facts.problem = host.error();
      return facts;
    }
    names = DefaultCaptureInterfaces(*host);
  }
  for (const std::string& name : names) {
    facts.items.push_back(StateOf(name));
  }
  std::vector<InterfaceFacts*> live;
  for (InterfaceFacts& item : facts.items) {
    if (item.exists && item.up && live.size() < LiveCapture::kMostInterfaces) {
      live.push_back(&item);
    }
  }
  if (!live.empty()) {
    if (const auto problem = Listen(live, config.promiscuous, deadline)) {
      for (InterfaceFacts* item : live) {
        item->capture_problem = problem;
      }
    }
  }
  return facts;
}

}  // namespace parallax::sensor
