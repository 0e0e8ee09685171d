// What `parallax-sensor capture` says on stderr: how far it is with a long file, and at the end
// what was in it. Gathers numbers and makes text of them; prints nothing itself. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "common/records.h"
#include "common/time.h"
#include "sensor/announce/offer_reader.h"
#include "sensor/capture/decode.h"
#include "sensor/observe/attempt_tracker.h"
#include "sensor/observe/top_talkers.h"

namespace parallax::sensor {

class CaptureSummary {
 public:
  CaptureSummary();

  void Frame(WallTime stamp);
  void Skipped(DecodeSkip skip) { ++skips_[static_cast<size_t>(skip)]; }
  void FilteredOut() { ++filtered_out_; }
  void Segment(const SynSegment& segment);
  void Outcome(AttemptOutcome outcome) { ++outcomes_[static_cast<size_t>(outcome)]; }
  // Of each server the worst report is kept.
  void Trouble(const ServerReport& report);
  void Kernel(uint64_t received, uint64_t dropped);
  void Tracker(const AttemptTrackerStats& stats) { tracker_ = stats; }
  // It was all about announcements.
  void Announcements(const OfferCounts& counts) { announcements_ = counts; }

  uint64_t frames() const { return frames_; }
  uint64_t syns() const { return syns_; }

  // Lines, each with its end. `handshakes`: attempts were followed.
  std::string Text(bool handshakes) const;

 private:
  uint64_t frames_ = 0;
  uint64_t syns_ = 0;
  uint64_t syn_acks_ = 0;
  uint64_t filtered_out_ = 0;
  WallTime first_ = WallTime::max();
  WallTime last_ = WallTime::min();
  std::array<uint64_t, kDecodeSkipCount> skips_{};
  std::array<uint64_t, kAttemptOutcomes> outcomes_{};
  AttemptTrackerStats tracker_;
  std::optional<OfferCounts> announcements_;
  TopTalkers sources_;
  TopTalkers servers_;
  std::map<IpAddress, ServerReport> troubles_;
  bool live_ = false;
  uint64_t received_ = 0;
  uint64_t dropped_ = 0;
};

// How far the reading of a file is. Says nothing in the first second; then redraws one line on a
// terminal, or elsewhere writes a line at 1, 2, 4, 8 ... s.
class CaptureProgress {
 public:
  CaptureProgress(std::string name, uint64_t size, bool terminal, MonoTime now);

  // What to print now, often nothing. `position` of `size` bytes are read; size 0: nobody knows.
  std::string Update(uint64_t position, const CaptureSummary& summary, MonoTime now);
  // What takes the line off a terminal.
  std::string End();

 private:
  const std::string name_;
  const uint64_t size_;
  const bool terminal_;
  const MonoTime start_;
  MonoTime next_;
  bool drawn_ = false;
};

}  // namespace parallax::sensor
