#include "sensor/spool/journal.h"

#include <algorithm>
#include <utility>

namespace parallax::sensor {

uint64_t Journal::records() const {
  if (segments_.empty()) {
    return 0;
  }
  const uint64_t done = std::max(acked_, segments_.front().header.first_sequence - 1);
  return last() > done ? last() - done : 0;
}

bool Journal::on_disk() const {
  return std::any_of(segments_.begin(), segments_.end(),
                     [](const Segment& segment) { return segment.claimed; });
}

void Journal::Append(std::string_view payload, Moment now) {
  if (segments_.empty() || segments_.back().bytes() >= segment_bytes_) {
    Segment segment;
    segment.header = {kind_, epoch_, next_, boot_};
    segment.last = next_ - 1;
    segment.tail = EncodeHeader(segment.header);
    bytes_ += segment.tail.size();
    memory_ += segment.tail.size();
    segments_.push_back(std::move(segment));
  }
  Segment& segment = segments_.back();
  const size_t before = segment.tail.size();
  EncodeRecord(next_, now, payload, segment.tail);
  bytes_ += segment.tail.size() - before;
  memory_ += segment.tail.size() - before;
  segment.last = next_++;
}

void Journal::Adopt(Segment segment) {
  next_ = std::max(next_, segment.last + 1);
  bytes_ += segment.bytes();
  memory_ += segment.tail.size();
  segments_.push_back(std::move(segment));
}

void Journal::Forget(const Segment& segment) {
  bytes_ -= segment.bytes();
  memory_ -= segment.tail.size();
}

void Journal::Acknowledge(uint64_t sequence, std::deque<Segment>& gone) {
  // A collector cannot have committed what was never sent.
  acked_ = std::max(acked_, std::min(sequence, last()));
  while (!segments_.empty() && segments_.front().last <= acked_) {
    Forget(segments_.front());
    gone.push_back(std::move(segments_.front()));
    segments_.pop_front();
  }
}

std::optional<Gap> Journal::DropOldest(GapReason reason, std::deque<Segment>& gone) {
  if (segments_.empty()) {
    return std::nullopt;
  }
  Segment segment = std::move(segments_.front());
  segments_.pop_front();
  Forget(segment);
  Gap gap;
  gap.kind = kind_;
  gap.epoch = epoch_;
  gap.first = std::max(acked_ + 1, segment.header.first_sequence);
  gap.last = segment.last;
  gap.reason = reason;
  gone.push_back(std::move(segment));
  return gap.first <= gap.last ? std::optional(gap) : std::nullopt;
}

Segment* Journal::Find(uint64_t sequence) {
  const auto found = std::lower_bound(
      segments_.begin(), segments_.end(), sequence,
      [](const Segment& segment, uint64_t wanted) { return segment.last < wanted; });
  return found == segments_.end() ? nullptr : &*found;
}

Segment* Journal::Named(uint64_t first_sequence) {
  const auto found =
      std::find_if(segments_.begin(), segments_.end(), [first_sequence](const Segment& segment) {
        return segment.header.first_sequence == first_sequence;
      });
  return found == segments_.end() ? nullptr : &*found;
}

void Journal::Synced(Segment& segment, size_t bytes) {
  segment.synced += bytes;
  segment.written -= bytes;
  segment.tail.erase(0, bytes);
  memory_ -= bytes;
}

void Journal::Detach(Segment& segment) {
  segment.written = 0;
  segment.file = segment.synced > 0 ? segment.file : nullptr;
  if (segment.synced == 0 || segment.tail.empty()) {
    return;
  }
  const auto at = std::find_if(segments_.begin(), segments_.end(),
                               [&](const Segment& other) { return &other == &segment; });
  RecordReader reader(segment.tail, 0);
  if (!reader.Next()) {
    return;  // cannot be: we wrote it
  }
  Segment rest;
  rest.header = segment.header;
  rest.header.first_sequence = reader.sequence();
  rest.last = segment.last;
  rest.tail = EncodeHeader(rest.header) + segment.tail;
  bytes_ += kSegmentHeaderBytes;
  memory_ += kSegmentHeaderBytes;
  segment.last = reader.sequence() - 1;
  segment.tail.clear();
  cursor = {};
  segments_.insert(std::next(at), std::move(rest));
}

}  // namespace parallax::sensor
