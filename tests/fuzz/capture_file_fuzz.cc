// A whole file through the parser, the decoder, the attempt tracker and the server watch, as
// `parallax-sensor capture --read FILE --handshakes` does it. Every step must get on, and all of
// them together must not cost more than the file is long.
#include <algorithm>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "sensor/capture/capture_format.h"
#include "sensor/capture/decode.h"
#include "sensor/observe/attempt_tracker.h"
#include "sensor/observe/server_watch.h"
#include "tests/fuzz/require.h"

namespace parallax::sensor {
namespace {

using Step = CaptureParser::Step;

constexpr size_t kLongestFrame = 262144;
constexpr size_t kShortestItem = 12;  // an empty block; a record is longer
constexpr size_t kEntries = 64;       // few, so that attempts also get forgotten
constexpr size_t kWatchEvery = 4;     // by the file's length: the watch's tables take long to make

// What the frames of a file must have, whoever wrote it.
void CheckFrame(const SavedFrame& frame, std::span<const uint8_t> window) {
  static constexpr WallTime kFirst{};
  static constexpr WallTime kLast{std::chrono::seconds(4'600'000'001)};
  Require(frame.captured.empty() ||
              (frame.captured.data() >= window.data() &&
               frame.captured.data() + frame.captured.size() <= window.data() + window.size()),
          "the frame is in the window");
  Require(frame.captured.size() <= kLongestFrame, "no longer than frames are");
  Require(frame.wire_length >= frame.captured.size(), "no more captured than there was");
  Require(frame.stamp >= kFirst && frame.stamp <= kLast, "a time that can be reckoned with");
  Require(frame.interface.size() <= 64, "a short name");
  Require(std::all_of(frame.interface.begin(), frame.interface.end(),
                      [](char c) { return c >= ' ' && c <= '~'; }),
          "a printable name");
}

// Hands the file to a parser in windows that are either all that is left or as small as it may be.
class Reader {
 public:
  Reader(std::span<const uint8_t> file, bool small) : rest_(file), small_(small) {}

  // False at the end, or where the file is cut short or damaged.
  bool Next(SavedFrame& frame) {
    for (size_t need = 1;;) {
      if (rest_.size() < need || rest_.empty()) {
        return false;
      }
      const auto window = small_ ? rest_.first(need) : rest_;
      const auto parsed = parser_.Parse(window, frame);
      ++steps_;
      if (!parsed) {
        return false;
      }
      if (parsed->step == Step::kMore) {
        Require(parsed->bytes > window.size(), "asks for more than it had");
        Require(parsed->bytes <= CaptureParser::kLongestItem, "asks for no more than it may");
        need = parsed->bytes;
        continue;
      }
      Require(parsed->bytes >= kShortestItem || (parsed->bytes == 0 && !begun_), "gets on");
      begun_ = true;
      if (parsed->step == Step::kFrame) {
        CheckFrame(frame, window);
        Require(parsed->bytes <= window.size(), "the whole frame was in the window");
      }
      rest_ = rest_.subspan(std::min(parsed->bytes, rest_.size()));
      need = 1;
      if (parsed->step == Step::kFrame) {
        return true;
      }
    }
  }
  size_t steps() const { return steps_; }

 private:
  CaptureParser parser_;
  std::span<const uint8_t> rest_;
  const bool small_;
  bool begun_ = false;
  size_t steps_ = 0;
};

bool Same(const SavedFrame& a, const SavedFrame& b) {
  return a.captured.data() == b.captured.data() && a.captured.size() == b.captured.size() &&
         a.wire_length == b.wire_length && a.stamp == b.stamp && a.link_number == b.link_number &&
         a.link_type == b.link_type && a.interface == b.interface;
}

// A tracker and what it has told; with a watch, also what that reports.
class Tracked {
 public:
  explicit Tracked(bool at_end, ServerWatch* watch = nullptr)
      : at_end_(at_end),
        watch_(watch),
        tracker_({.entries = kEntries, .key = {1, 2}, .report_at_end = at_end}, watch) {}

  void Observe(const SynSegment& segment, const SavedFrame& frame, MonoTime now) {
    if (watch_ != nullptr && segment.Has(kTcpSyn)) {
      watch_->Count(segment, now);
    }
    tracker_.Observe(segment, frame.stamp, now, frame.interface, events_);
    Take(3, now);
  }
  void Advance(MonoTime now) {
    for (bool more = true; more;) {
      Require(++turns_ <= frames_ + 2, "timers do not fire for ever");
      more = tracker_.Advance(now, events_);
      Take(tracker_.stats().attempts + 1, now);
    }
    ++frames_;
    if (watch_ != nullptr) {
      watch_->Advance({now, WallTime(now.time_since_epoch())}, {}, reports_);
      TakeReports();
    }
  }
  void Finish(MonoTime now) {
    tracker_.Finish(now, events_);
    Take(kEntries, now);
    if (watch_ != nullptr) {
      watch_->Finish({now, WallTime(now.time_since_epoch())}, reports_);
      TakeReports();
    }
    Require(tracker_.size() == 0, "nothing is left at the end");
    Require(outcomes_ == tracker_.stats().attempts, "each attempt comes to one end");
    Require(pending_ == (at_end_ ? 0 : tracker_.stats().attempts), "each is announced, or none is");
  }

 private:
  void Take(size_t most, MonoTime now) {
    Require(events_.size() <= most, "no more events than there is cause for");
    for (const AttemptEvent& event : events_) {
      if (watch_ != nullptr) {
        watch_->Decided(event, now);
      }
      (event.outcome == AttemptOutcome::kPending ? pending_ : outcomes_) += 1;
      Require(event.age >= Duration::zero(), "not from the future");
    }
    events_.clear();
  }

  void TakeReports() {
    const auto share = [](const std::optional<double>& s) { return !s || (*s >= 0 && *s <= 1); };
    for (const ServerReport& r : reports_) {
      Require(r.window >= Duration::zero(), "a window has a length");
      Require(r.port_syns <= r.syns && r.port_syn_acks <= r.syn_acks, "a part is no more than all");
      Require(share(r.half_open_repeated) && share(r.half_open_known) && share(r.all_or_nothing),
              "a share is from 0 to 1");
      Require(r.syn_rate >= 0 && r.usual_rate >= 0 && r.excess >= 0, "rates are not negative");
    }
    reports_.clear();
  }

  const bool at_end_;
  ServerWatch* const watch_;
  AttemptTracker tracker_;
  std::vector<AttemptEvent> events_;
  std::vector<ServerReport> reports_;
  size_t pending_ = 0;
  size_t outcomes_ = 0;
  size_t turns_ = 0;
  size_t frames_ = 0;
};

void Check(std::span<const uint8_t> file) {
  Reader reader(file, false);
  Reader frugal(file, true);
  Tracked saved(true);
  Tracked live(false);
  std::optional<ServerWatch> watch;
  std::optional<Tracked> watched;
  if (file.size() % kWatchEvery == 0) {
    watch.emplace(ServerWatchOptions{.servers = 8,
                                     .attempts_per_second = 2,
                                     .attempts_per_second_total = 5,
                                     .addresses = {},
                                     .key = {3, 4}});
    watched.emplace(true, &*watch);
  }
  SavedFrame frame;
  SavedFrame again;
  MonoTime now;
  while (reader.Next(frame)) {
    Require(frugal.Next(again) && Same(frame, again), "windows make no difference");
    now = MonoTime(frame.stamp.time_since_epoch());
    saved.Advance(now);
    live.Advance(now);
    if (watched) {
      watched->Advance(now);
    }
    if (!frame.link_type) {
      continue;
    }
    SynSegment segment;
    if (!DecodeInto(*frame.link_type, frame.captured, frame.wire_length, SegmentScope::kAll,
                    segment)) {
      saved.Observe(segment, frame, now);
      live.Observe(segment, frame, now);
      if (watched) {
        watched->Observe(segment, frame, now);
      }
    }
  }
  Require(!frugal.Next(again), "windows make no difference at the end");
  saved.Finish(now);
  live.Finish(now);
  if (watched) {
    watched->Finish(now);
  }
  Require(reader.steps() <= file.size() / kShortestItem + 3, "one step an item");
  Require(frugal.steps() <= 3 * (file.size() / kShortestItem + 3), "three steps an item");
}

}  // namespace
}  // namespace parallax::sensor

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  parallax::sensor::Check({data, size});
  return 0;
}
