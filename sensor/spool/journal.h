// The records of one class and epoch, oldest first, in segments of bounded size: what is in a
// segment file and synced, and behind it in memory what is not yet. Bookkeeping only, no input or
// output: the spool does that, and tells the journal what came of it.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "sensor/spool/spool_files.h"
#include "sensor/spool/spool_format.h"

namespace parallax::sensor {

struct Segment {
  SegmentHeader header;
  uint64_t last = 0;                // sequence of its last record; first_sequence - 1: none yet
  uint64_t synced = 0;              // bytes that are on disk for good
  std::string tail;                 // bytes behind these; with the header, if nothing is synced
  size_t written = 0;               // bytes of `tail` that were handed to the file
  std::shared_ptr<SpoolFile> file;  // null: in memory only
  bool claimed = false;             // a file of its name may exist

  uint64_t bytes() const { return synced + tail.size(); }
  bool empty() const { return last < header.first_sequence; }
};

class Journal {
 public:
  Journal(RecordClass kind, uint64_t epoch, uint64_t boot, uint64_t segment_bytes)
      : kind_(kind), epoch_(epoch), boot_(boot), segment_bytes_(segment_bytes) {}

  RecordClass kind() const { return kind_; }
  uint64_t epoch() const { return epoch_; }
  uint64_t acked() const { return acked_; }
  uint64_t last() const { return next_ - 1; }
  // Records not yet acknowledged, as far as they are still here (those lost to damage count).
  uint64_t records() const;
  uint64_t bytes() const { return bytes_; }
  uint64_t memory() const { return memory_; }
  // A part of it has a file: after a restart it is found again.
  bool on_disk() const;
  std::deque<Segment>& segments() { return segments_; }
  const std::deque<Segment>& segments() const { return segments_; }

  void Append(std::string_view payload, Moment now);
  // A segment found on disk, later than those before.
  void Adopt(Segment segment);
  // Up to `sequence`, as far as that was ever given out; what is thereby done with is handed to
  // `gone`.
  void Acknowledge(uint64_t sequence, std::deque<Segment>& gone);
  // Takes the oldest segment out, to `gone`; what was lost of it unacknowledged, if anything.
  std::optional<Gap> DropOldest(GapReason reason, std::deque<Segment>& gone);

  // The segment that holds `sequence`, or else the next one; null if there is none.
  Segment* Find(uint64_t sequence);
  Segment* Named(uint64_t first_sequence);

  // `bytes` of the segment's tail are on disk for good.
  void Synced(Segment& segment, size_t bytes);
  // Its file failed: what is not synced goes to a segment of its own, which has no file yet.
  void Detach(Segment& segment);

  // Where the record `sequence` of a segment begins, as far as it was read last.
  struct Cursor {
    uint64_t segment = 0;   // its first sequence
    uint64_t sequence = 0;  // next to read
    uint64_t offset = 0;
  };
  Cursor cursor;
  // Records up to this one have been here for a while: unless they are acknowledged, they are to be
  // written. Those that the collector takes at once never touch the disk.
  uint64_t aged = 0;

 private:
  void Forget(const Segment& segment);

  RecordClass kind_;
  uint64_t epoch_;
  uint64_t boot_;
  uint64_t segment_bytes_;
  uint64_t next_ = 1;
  uint64_t acked_ = 0;
  uint64_t bytes_ = 0;
  uint64_t memory_ = 0;
  std::deque<Segment> segments_;
};

}  // namespace parallax::sensor
