#include "sensor/spool/spool.h"

#include <algorithm>
#include <utility>

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

constexpr uint64_t kLargestSegment = uint64_t{1} << 20;
constexpr uint64_t kSmallestSegment = 4096;

}  // namespace

Spool::Spool(SpoolOptions options, OpenFiles open)
    : options_(std::move(options)),
      segment_bytes_(std::clamp(options_.most_bytes / 32, kSmallestSegment, kLargestSegment)),
      open_(std::move(open)) {}

Journal* Spool::Find(uint64_t epoch) {
  const auto found = std::find_if(journals_.begin(), journals_.end(),
                                  [epoch](const auto& j) { return j->epoch() == epoch; });
  return found == journals_.end() ? nullptr : found->get();
}

Spool::Place Spool::Find(const SegmentHeader& header) {
  Journal* journal = Find(header.epoch);
  Segment* segment = journal == nullptr ? nullptr : journal->Named(header.first_sequence);
  return segment == nullptr ? Place{} : Place{journal, segment};
}

Journal& Spool::JournalFor(RecordClass kind) {
  uint64_t& epoch = live_[static_cast<size_t>(kind)];
  if (epoch == 0) {
    epoch = options_.new_epoch();
    journals_.push_back(std::make_unique<Journal>(kind, epoch, options_.boot, segment_bytes_));
  }
  return *Find(epoch);
}

void Spool::Append(RecordClass kind, std::string_view payload, Moment now) {
  {
    std::lock_guard lock(mutex_);
    AppendLocked(kind, payload, now);
    has_news_ = true;
  }
  news_.notify_one();
}

void Spool::AppendLocked(RecordClass kind, std::string_view payload, Moment now) {
  JournalFor(kind).Append(payload, now);
  MakeRoomLocked(now.wall);
}

uint64_t Spool::BytesLocked() const {
  uint64_t sum = 0;
  for (const auto& journal : journals_) {
    sum += journal->bytes();
  }
  return sum;
}

uint64_t Spool::MemoryLocked() const {
  uint64_t sum = 0;
  for (const auto& journal : journals_) {
    sum += journal->memory();
  }
  return sum;
}

void Spool::MakeRoomLocked(WallTime now) {
  for (;;) {
    const bool memory_full = MemoryLocked() > options_.most_memory;
    if (!memory_full && BytesLocked() <= options_.most_bytes) {
      return;
    }
    Journal* victim = nullptr;
    for (const auto& journal : journals_) {  // the lowest class, and of it the oldest
      const bool helps = memory_full ? journal->memory() > 0 : journal->bytes() > 0;
      if (helps && (victim == nullptr || journal->kind() < victim->kind())) {
        victim = journal.get();
      }
    }
    if (victim == nullptr) {
      return;
    }
    DropLocked(*victim, GapReason::kFull, now);
  }
}

void Spool::DropLocked(Journal& journal, GapReason reason, WallTime now) {
  std::deque<Segment> gone;
  if (auto gap = journal.DropOldest(reason, gone)) {
    dropped_ += gap->last - gap->first + 1;
    NoteGapLocked(*gap, now);
  }
  DoomLocked(gone);
}

// Their files, if they have any, are to be removed.
void Spool::DoomLocked(const std::deque<Segment>& gone) {
  for (const Segment& segment : gone) {
    if (segment.claimed) {
      doomed_.push_back(SegmentName(segment.header));
    }
  }
}

void Spool::NoteGapLocked(Gap gap, WallTime now) {
  gap.noticed_at = now;
  std::vector<Gap>& known = gaps_[gap.epoch];
  if (!known.empty() && known.back().reason == gap.reason && known.back().last != 0 &&
      known.back().last + 1 == gap.first) {
    known.back().last = gap.last;
    return;
  }
  known.push_back(gap);
}

void Spool::TellGapsLocked(Moment now) {
  const auto gaps = std::exchange(gaps_, {});
  for (const auto& [epoch, list] : gaps) {
    for (const Gap& gap : list) {
      AppendLocked(RecordClass::kEvidence, options_.encode(gap), now);
      has_news_ = true;
    }
  }
}

// A journal that is no longer added to and has nothing left is forgotten.
void Spool::TidyLocked(uint64_t epoch) {
  std::erase_if(journals_, [&](const auto& journal) {
    return journal->epoch() == epoch && journal->segments().empty() &&
           std::find(live_.begin(), live_.end(), epoch) == live_.end();
  });
}

std::vector<Spool::Lane> Spool::Lanes() const {
  std::lock_guard lock(mutex_);
  std::vector<Lane> lanes;
  for (const auto& journal : journals_) {
    const bool live = std::find(live_.begin(), live_.end(), journal->epoch()) != live_.end();
    const uint64_t begin = journal->segments().empty()
                               ? journal->last() + 1
                               : journal->segments().front().header.first_sequence;
    lanes.push_back({journal->epoch(), journal->kind(), live, journal->acked(),
                     std::max(begin, journal->acked() + 1), journal->last()});
  }
  return lanes;
}

Spool::Chunk Spool::Read(uint64_t epoch, uint64_t from, size_t most, size_t most_bytes,
                         Moment now) {
  constexpr size_t kLongestRecord = kRecordHeaderBytes + kMostPayload;
  Chunk chunk;
  std::unique_lock lock(mutex_);
  while (chunk.items.empty() && most > 0) {
    Journal* journal = Find(epoch);
    Segment* segment = journal == nullptr ? nullptr : journal->Find(from);
    if (segment == nullptr) {
      return chunk;
    }
    const SegmentHeader header = segment->header;
    from = std::max(from, header.first_sequence);
    Journal::Cursor& cursor = journal->cursor;
    if (cursor.segment != header.first_sequence || cursor.sequence > from) {
      cursor = {header.first_sequence, header.first_sequence, kSegmentHeaderBytes};
    }
    const Journal::Cursor start = cursor;
    const size_t want = std::max(most_bytes, kLongestRecord) + kLongestRecord;
    Result<std::string> bytes;
    if (start.offset >= segment->synced) {
      bytes = segment->tail.substr(std::min(start.offset - segment->synced, segment->tail.size()),
                                   want);
    } else {
      const auto file = segment->file;
      const size_t size = std::min<uint64_t>(want, segment->synced - start.offset);
      lock.unlock();
      bytes = file->Read(start.offset, size);
      lock.lock();
      const Place place = Find(header);
      journal = place.journal;
      segment = place.segment;
      if (segment == nullptr) {
        continue;  // dropped meanwhile
      }
    }

    RecordReader reader(bytes ? *bytes : std::string_view(), start.sequence - 1);
    size_t used = 0;
    size_t next = start.offset;
    uint64_t expected = start.sequence;
    while (chunk.items.size() < most && used < most_bytes && reader.Next()) {
      const bool follows =
          chunk.items.empty() || reader.sequence() == chunk.first_sequence + chunk.items.size();
      if (!follows) {
        break;
      }
      next = start.offset + reader.offset();
      expected = reader.sequence() + 1;
      if (reader.sequence() < from) {
        continue;
      }
      if (chunk.items.empty()) {
        chunk.first_sequence = reader.sequence();
      }
      const Duration age = header.boot == options_.boot && header.boot != 0
                               ? now.mono - reader.appended().mono
                               : now.wall - reader.appended().wall;
      chunk.items.push_back({std::string(reader.payload()), std::max(age, Duration{})});
      used += reader.payload().size();
    }
    const size_t size = bytes ? bytes->size() : 0;
    if (!bytes) {
      next = segment->synced;  // what is not on disk yet can be read all the same
    } else if (next == start.offset && chunk.items.empty()) {  // nothing but damage
      next += size == want ? want - kLongestRecord : size;
    }
    journal->cursor = {header.first_sequence, expected, next};
    // What should have been there and is not.
    uint64_t found = chunk.items.empty() ? from : chunk.first_sequence;
    if (chunk.items.empty() && bytes && start.offset + size >= segment->bytes()) {
      found = segment->last + 1;
      segment->last = from - 1;
    }
    if (found > from) {
      NoteGapLocked({header.kind, epoch, from, found - 1, GapReason::kDamaged, {}, {}}, now.wall);
      dropped_ += found - from;
      from = found;
    }
  }
  return chunk;
}

void Spool::Acknowledge(uint64_t epoch, uint64_t sequence) {
  std::lock_guard lock(mutex_);
  Journal* journal = Find(epoch);
  if (journal == nullptr || sequence <= journal->acked()) {
    return;
  }
  std::deque<Segment> gone;
  journal->Acknowledge(sequence, gone);
  DoomLocked(gone);
  acked_changed_ = acked_changed_ || journal->on_disk();
  TidyLocked(epoch);
}

void Spool::Turn(uint64_t backlog) {
  std::lock_guard lock(mutex_);
  for (uint64_t& epoch : live_) {
    const Journal* journal = epoch == 0 ? nullptr : Find(epoch);
    if (journal != nullptr && journal->records() >= backlog && journals_.size() < kMostJournals) {
      epoch = 0;
    }
  }
}

void Spool::Wait(Duration timeout) {
  std::unique_lock lock(mutex_);
  news_.wait_for(lock, timeout, [&] { return has_news_; });
  has_news_ = false;
}

void Spool::Wake() {
  {
    std::lock_guard lock(mutex_);
    has_news_ = true;
  }
  news_.notify_all();
}

Spool::Stats Spool::stats() const {
  std::lock_guard lock(mutex_);
  Stats stats;
  for (const auto& journal : journals_) {
    stats.records += journal->records();
  }
  stats.bytes = BytesLocked();
  stats.dropped = dropped_;
  stats.problem = problem_;
  return stats;
}

}  // namespace parallax::sensor
