// What the sensor has to report and the collector has not committed yet. Records are bytes here; by
// class and epoch they are in journals (journal.h), which live in segment files (spool_format.h)
// and, until those are synced, in memory.
//
//   capture, probes --Append--> memory --Keep--> files
//                                  \--Read--> link --Acknowledge--> gone
//
// Each start has new epochs; what an earlier one left is a backlog beside them. Limits: bytes in
// all, and bytes in memory while the disk fails. What does not fit goes by class and age: oldest
// bulk first, evidence last; each loss is reported as a Gap, which is a record itself.
//
// A disk that is full, read-only or broken costs no record as long as memory suffices: Keep tries
// again, and writes what it missed. Thread-safe: Append, Read and Acknowledge may be called from
// any thread and wait for no disk but Read of what is no longer in memory; Keep belongs to one.
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/records.h"
#include "common/time.h"
#include "sensor/spool/journal.h"
#include "sensor/spool/spool_files.h"

namespace parallax::sensor {

struct SpoolOptions {
  uint64_t most_bytes = uint64_t{256} << 20;  // in files and memory together
  uint64_t most_memory = uint64_t{16} << 20;  // of it, not on disk
  uint64_t boot = 0;                          // names the time of the monotonic clock
  Duration sync_every = std::chrono::milliseconds(500);
  uint64_t sync_bytes = uint64_t{256} << 10;  // or sooner, when so much is not on disk
  std::function<uint64_t()> new_epoch;        // random, never 0
  std::function<std::string(const Gap&)> encode;
};

class Spool {
 public:
  using OpenFiles = std::function<Result<std::unique_ptr<SpoolFiles>>()>;

  struct Stats {
    uint64_t records = 0;
    uint64_t bytes = 0;
    uint64_t dropped = 0;  // since the start
    std::string problem;   // of the disk; empty if there is none
  };
  struct Lane {
    uint64_t epoch = 0;
    RecordClass kind = RecordClass::kBulk;
    bool live = false;   // records are still added to it
    uint64_t acked = 0;  // sequences up to this are committed
    uint64_t first = 0;  // of those that are here and are not
    uint64_t last = 0;   // first - 1: none
    bool operator==(const Lane&) const = default;
  };
  struct Item {
    std::string payload;
    Duration age{};  // since it was appended
  };
  struct Chunk {
    uint64_t first_sequence = 0;
    std::vector<Item> items;  // consecutive sequences
  };

  // `open` is called until it succeeds: by the first Keep, and by later ones. Null: it is kept in
  // memory, and that is no problem.
  Spool(SpoolOptions options, OpenFiles open);

  // REQUIRES: a payload of 1 to kMostPayload bytes.
  void Append(RecordClass kind, std::string_view payload, Moment now);

  // Journals with records that are not acknowledged, and the live ones; older epochs first.
  std::vector<Lane> Lanes() const;
  // From sequence `from` of the epoch on, or from the next one that is here.
  Chunk Read(uint64_t epoch, uint64_t from, size_t most, size_t most_bytes, Moment now);
  // Everything of `epoch` up to `sequence` is committed and may go.
  void Acknowledge(uint64_t epoch, uint64_t sequence);
  // Journals with at least `backlog` records become backlog: what is appended from now on goes to
  // new epochs, and need not wait behind them.
  void Turn(uint64_t backlog);

  // Waits until something was appended since the last wait, Wake() or `timeout`.
  void Wait(Duration timeout);
  void Wake();

  // Writes, syncs and removes files as is due. Several times a second.
  void Keep(Moment now);
  // Everything to disk, as far as that works: the last Keep.
  void Close(Moment now);

  Stats stats() const;

 private:
  struct Job {  // bytes on their way to a file
    SegmentHeader header;
    std::shared_ptr<SpoolFile> file;
    uint64_t offset = 0;
    std::string bytes;
  };
  static constexpr size_t kMostJournals = 200;  // fewer than kMostEpochs

  // A segment and the journal that it is in; nulls if it is gone.
  struct Place {
    Journal* journal = nullptr;
    Segment* segment = nullptr;
  };

  Journal& JournalFor(RecordClass kind);
  Journal* Find(uint64_t epoch);
  Place Find(const SegmentHeader& header);
  void AppendLocked(RecordClass kind, std::string_view payload, Moment now);
  void MakeRoomLocked(WallTime now);
  void DropLocked(Journal& journal, GapReason reason, WallTime now);
  void NoteGapLocked(Gap gap, WallTime now);
  void TellGapsLocked(Moment now);
  void DoomLocked(const std::deque<Segment>& gone);
  void TidyLocked(uint64_t epoch);
  uint64_t BytesLocked() const;
  uint64_t MemoryLocked() const;

  Result<void> Recover(Moment now);
  Result<void> WriteTails(bool all);
  Result<void> SyncFiles();
  Result<void> SaveAcked(bool clean);
  Result<void> RemoveDoomed();
  Result<void> KeepOnce(Moment now, bool all);

  const SpoolOptions options_;
  const uint64_t segment_bytes_;
  const OpenFiles open_;

  mutable std::mutex mutex_;
  std::condition_variable news_;
  bool has_news_ = false;
  std::vector<std::unique_ptr<Journal>> journals_;  // older first
  std::array<uint64_t, kRecordClasses> live_{};     // epochs; 0: none yet
  std::map<uint64_t, std::vector<Gap>> gaps_;       // not yet told, by epoch
  std::vector<std::string> doomed_;                 // files to remove
  bool acked_changed_ = false;                      // of what is on disk
  uint64_t dropped_ = 0;
  std::string problem_;

  // Keep's own.
  std::unique_ptr<SpoolFiles> files_;
  std::shared_ptr<SpoolFile> acked_file_;
  uint64_t acked_generation_ = 0;
  bool new_files_ = false;  // the folder has to be synced
  MonoTime next_sync_{};
  MonoTime next_try_{};  // after a failure
  Duration retry_{};
};

}  // namespace parallax::sensor
