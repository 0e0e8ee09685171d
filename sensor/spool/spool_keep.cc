// What the spool does with files: Recover, Keep, Close. See spool.h.
#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "common/log.h"
#include "sensor/spool/spool.h"

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

constexpr Duration kFirstRetry = 1s;
constexpr Duration kSlowestRetry = 10s;

// A segment file as it was found.
struct Found {
  Segment segment;
  WallTime begun;  // of its first record
};

Result<std::optional<Found>> ReadSegment(SpoolFiles& files, const SpoolFiles::Entry& entry,
                                         const SegmentHeader& named, uint64_t after) {
  auto whole = ReadWhole(files, entry);
  if (!whole) {
    return tl::make_unexpected(whole.error());
  }
  Found found;
  Segment& segment = found.segment;
  segment.header = named;
  if (const auto header = DecodeHeader(whole->bytes);
      header && header->epoch == named.epoch && header->kind == named.kind) {
    segment.header.boot = header->boot;
  }
  segment.claimed = true;
  segment.file = std::move(whole->file);
  segment.last = named.first_sequence - 1;
  RecordReader reader(RecordsIn(whole->bytes), std::max(after, segment.last));
  while (reader.Next()) {
    if (segment.empty()) {
      found.begun = reader.appended().wall;
    }
    segment.last = reader.sequence();
  }
  segment.synced = kSegmentHeaderBytes + reader.offset();
  return segment.empty() ? std::nullopt : std::optional(std::move(found));
}

}  // namespace

Result<void> Spool::Recover(Moment now) {
  auto listed = files_->List();
  if (!listed) {
    return tl::make_unexpected(listed.error());
  }
  std::vector<std::pair<SegmentHeader, const SpoolFiles::Entry*>> segments;
  for (const SpoolFiles::Entry& entry : *listed) {
    if (const auto named = ParseSegmentName(entry.name)) {
      segments.emplace_back(*named, &entry);
    }
  }
  std::sort(segments.begin(), segments.end(), [](const auto& a, const auto& b) {
    return std::tie(a.first.epoch, a.first.first_sequence) <
           std::tie(b.first.epoch, b.first.first_sequence);
  });
  auto acked_file = files_->Open(std::string(kAckedFile));
  if (!acked_file) {
    return tl::make_unexpected(acked_file.error());
  }
  const auto acked_bytes = (*acked_file)->Read(0, 2 * kAckedSlotBytes);
  if (!acked_bytes) {
    return tl::make_unexpected(acked_bytes.error());
  }
  const auto acked = DecodeAcked(*acked_bytes);

  std::vector<std::pair<WallTime, std::unique_ptr<Journal>>> found;
  std::vector<std::string> useless;
  for (const auto& [named, entry] : segments) {
    const bool goes_on = !found.empty() && found.back().second->epoch() == named.epoch;
    auto read = ReadSegment(*files_, *entry, named, goes_on ? found.back().second->last() : 0);
    if (!read) {
      return tl::make_unexpected(read.error());
    }
    if (!*read) {
      useless.push_back(entry->name);
      continue;
    }
    if (!goes_on) {
      found.emplace_back((*read)->begun, std::make_unique<Journal>(named.kind, named.epoch,
                                                                   options_.boot, segment_bytes_));
    }
    found.back().second->Adopt(std::move((*read)->segment));
  }
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });

  std::lock_guard lock(mutex_);
  acked_file_ = std::move(*acked_file);
  acked_generation_ = acked ? acked->generation : 0;
  doomed_.insert(doomed_.end(), useless.begin(), useless.end());
  std::vector<std::unique_ptr<Journal>> journals;
  for (auto& [begun, journal] : found) {
    if (acked) {
      const auto mark = acked->sequences.find(journal->epoch());
      std::deque<Segment> gone;
      journal->Acknowledge(mark == acked->sequences.end() ? 0 : mark->second, gone);
      DoomLocked(gone);
    }
    if (!acked || !acked->clean_stop) {
      NoteGapLocked(
          {journal->kind(), journal->epoch(), journal->last() + 1, 0, GapReason::kStopped, {}, {}},
          now.wall);
    }
    if (!journal->segments().empty()) {
      journals.push_back(std::move(journal));
    }
  }
  const size_t old = journals.size();
  std::move(journals_.begin(), journals_.end(), std::back_inserter(journals));
  journals_ = std::move(journals);
  for (size_t i = 0; i + kMostJournals < old; ++i) {  // the oldest of far too many starts
    while (!journals_[i]->segments().empty()) {
      DropLocked(*journals_[i], GapReason::kFull, now.wall);
    }
  }
  MakeRoomLocked(now.wall);
  return {};
}

Result<void> Spool::WriteTails(bool all) {
  std::vector<Job> jobs;
  {
    std::lock_guard lock(mutex_);
    for (const auto& journal : journals_) {
      const bool due = all || journal->acked() < journal->aged;
      journal->aged = journal->last();
      for (Segment& segment : journal->segments()) {
        if (due && segment.written < segment.tail.size()) {
          acked_changed_ = acked_changed_ || !segment.claimed;
          segment.claimed = true;
          jobs.push_back({segment.header, segment.file, segment.synced + segment.written,
                          segment.tail.substr(segment.written)});
        }
      }
    }
  }
  for (Job& job : jobs) {
    Result<void> done;
    if (job.file == nullptr) {
      auto file = files_->Open(SegmentName(job.header));
      if (file) {
        job.file = std::move(*file);
        new_files_ = true;
      } else {
        done = tl::make_unexpected(file.error());
      }
    }
    if (done) {
      done = job.file->Write(job.offset, job.bytes);
    }
    std::lock_guard lock(mutex_);
    const auto [journal, segment] = Find(job.header);
    if (segment != nullptr && done) {
      segment->file = job.file;
      segment->written += job.bytes.size();
    } else if (segment != nullptr) {
      journal->Detach(*segment);
    }
    if (!done) {
      return done;
    }
  }
  return {};
}

Result<void> Spool::SyncFiles() {
  std::vector<Job> jobs;  // `offset`: bytes that the sync makes safe
  {
    std::lock_guard lock(mutex_);
    for (const auto& journal : journals_) {
      for (const Segment& segment : journal->segments()) {
        if (segment.written > 0) {
          jobs.push_back({segment.header, segment.file, segment.written, {}});
        }
      }
    }
  }
  Result<void> done;
  if (new_files_ && !jobs.empty()) {
    done = files_->SyncFolder();
    new_files_ = !done;
  }
  for (const Job& job : jobs) {
    // Once a sync has failed, nobody knows which of the bytes are on disk, and the next sync would
    // not say so: they are written again, to another file.
    const Result<void> synced = done ? job.file->Sync() : done;
    std::lock_guard lock(mutex_);
    const auto [journal, segment] = Find(job.header);
    if (segment != nullptr && synced) {
      journal->Synced(*segment, job.offset);
    } else if (segment != nullptr) {
      journal->Detach(*segment);
    }
    if (!synced) {
      done = synced;
    }
  }
  return done;
}

Result<void> Spool::SaveAcked(bool clean) {
  AckedState state;
  {
    std::lock_guard lock(mutex_);
    for (const auto& journal : journals_) {
      if (journal->acked() > 0 && journal->on_disk()) {
        state.sequences[journal->epoch()] = journal->acked();
      }
    }
    acked_changed_ = false;
  }
  state.generation = ++acked_generation_;
  state.clean_stop = clean;
  return acked_file_->Write(state.generation % 2 * kAckedSlotBytes, EncodeAcked(state));
}

Result<void> Spool::RemoveDoomed() {
  std::vector<std::string> names;
  {
    std::lock_guard lock(mutex_);
    names.swap(doomed_);
  }
  Result<void> done;
  for (const std::string& name : names) {
    if (auto removed = files_->Remove(name); !removed) {
      done = removed;
      std::lock_guard lock(mutex_);
      doomed_.push_back(name);
    }
  }
  return done;
}

Result<void> Spool::KeepOnce(Moment now, bool all) {
  if (!open_) {
    return {};
  }
  if (files_ == nullptr) {
    auto files = open_();
    if (!files) {
      return tl::make_unexpected(files.error());
    }
    files_ = std::move(*files);
    if (auto done = Recover(now); !done) {
      files_.reset();
      return done;
    }
    // A crash from now on is no clean stop.
    if (auto done = SaveAcked(false); !done) {
      return done;
    }
  }
  if (auto done = RemoveDoomed(); !done) {  // first: it makes room
    return done;
  }
  if (auto done = WriteTails(all); !done) {
    return done;
  }
  uint64_t unsynced = 0;
  bool save = false;
  {
    std::lock_guard lock(mutex_);
    for (const auto& journal : journals_) {
      for (const Segment& segment : journal->segments()) {
        unsynced += segment.written;
      }
    }
    save = acked_changed_;
  }
  if (all || now.mono >= next_sync_ || unsynced >= options_.sync_bytes) {
    next_sync_ = now.mono + options_.sync_every;
    if (auto done = SyncFiles(); !done) {
      return done;
    }
    if (save && !all) {
      return SaveAcked(false);
    }
  }
  return {};
}

void Spool::Keep(Moment now) {
  {
    std::lock_guard lock(mutex_);
    TellGapsLocked(now);
  }
  if (now.mono < next_try_) {
    return;
  }
  const Result<void> done = KeepOnce(now, false);
  std::lock_guard lock(mutex_);
  if (done) {
    if (!problem_.empty()) {
      LogInfo("the spool is on disk again");
    }
    problem_.clear();
    retry_ = {};
    return;
  }
  if (problem_.empty()) {
    LogError("{}; the spool is kept in memory, up to {} MiB of it", done.error().message,
             options_.most_memory >> 20);
  }
  problem_ = done.error().message;
  retry_ = retry_ == Duration{} ? kFirstRetry : std::min(retry_ * 2, kSlowestRetry);
  next_try_ = now.mono + retry_;
}

void Spool::Close(Moment now) {
  {
    std::lock_guard lock(mutex_);
    TellGapsLocked(now);
  }
  Result<void> done = KeepOnce(now, true);
  if (done && files_ != nullptr) {
    done = SaveAcked(true);
    done = done ? acked_file_->Sync() : done;
  }
  if (!done) {
    LogError("{}; {} records that wait for the collector are lost", done.error().message,
             stats().records);
  }
}

}  // namespace parallax::sensor
