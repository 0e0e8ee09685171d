// How long it takes from a SYN on the wire until the sensor hands its event to the link: live
// capture, observing stage and spool as the running sensor has them, in this process. The SYNs come
// from `parallax_syn_generator --stamp`, whose sequence numbers are the low 32 bits of the time of
// sending in nanoseconds; latency_live.sh makes the wire and runs both.
//
//   parallax_latency_bench INTERFACE COUNT
//
// Says "listening" on stderr once it does; prints median, 99th percentile and maximum in
// milliseconds.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "common/log.h"
#include "sensor/capture/live_capture.h"
#include "sensor/link/convert.h"
#include "sensor/observe/observer.h"

namespace parallax::sensor {
namespace {

int Main(const std::string& interface, size_t count) {
  InitLog(LogLevel::kWarning);
  LiveCaptureOptions capture_options;
  capture_options.interfaces = {interface};
  capture_options.promiscuous = true;
  auto capture = LiveCapture::Open(capture_options);
  if (!capture) {
    fmt::print(stderr, "{}\n", capture.error().message);
    return 1;
  }
  ObserverOptions options;
  options.key = RandomHashKey();
  Observer observer(options);
  SpoolOptions spool_options;
  spool_options.most_memory = spool_options.most_bytes;
  spool_options.new_epoch = [] { return uint64_t{1}; };
  spool_options.encode = [](const Gap& gap) { return Encode(gap); };
  Spool spool(spool_options, nullptr);  // nobody keeps it: in memory only
  std::vector<CapturedSegment> batch;
  std::vector<Record> fresh;
  std::vector<double> latencies;
  std::atomic<bool> stop = false;
  const auto forward = [&](MonoTime now) {
    for (Record& record : fresh) {
      const auto* const attempt = std::get_if<Attempt>(&record);
      const bool first = attempt != nullptr && attempt->outcome == AttemptOutcome::kPending;
      const uint32_t sent = first ? attempt->isn : 0;
      spool.Append(ClassOf(record), Encode(record), {now, Now().wall});
      if (first && latencies.size() < count) {
        const auto then = static_cast<uint32_t>(ToUnixNanos(Now().wall));
        latencies.push_back(static_cast<double>(then - sent) / 1e6);
      }
    }
    fresh.clear();
  };
  const auto flush = [&](MonoTime now) {
    observer.See(batch, fresh);
    batch.clear();
    forward(now);
  };
  fmt::print(stderr, "listening\n");
  (*capture)->Run({.segment =
                       [&](const CapturedSegment& segment) {
                         batch.push_back(segment);
                         if (batch.size() >= 64) {
                           flush(segment.seen);
                         }
                       },
                   .loss = [](const CaptureLoss&) {},
                   .idle =
                       [&](const Moment& now) {
                         flush(now.mono);
                         observer.Advance(now, {}, fresh);
                         forward(now.mono);
                         stop = latencies.size() >= count;
                       }},
                  stop);
  std::sort(latencies.begin(), latencies.end());
  const auto at = [&](size_t percent) { return latencies[(latencies.size() - 1) * percent / 100]; };
  fmt::print("{:>10} {:>8.2f} {:>8.2f} {:>8.2f}\n", latencies.size(), at(50), at(99), at(100));
  return 0;
}

}  // namespace
}  // namespace parallax::sensor

int main(int argc, char** argv) {
  if (argc != 3 || std::atoi(argv[2]) <= 0) {
    std::fputs("usage: parallax_latency_bench INTERFACE COUNT\n", stderr);
    return 2;
  }
  return parallax::sensor::Main(argv[1], static_cast<size_t>(std::atoi(argv[2])));
}
