// A disk for SQLite that writes down what is asked of it, so that the disk can be had as a power
// loss at any moment would have left it: what was synced is there; of the rest, any part, in any
// order, each write whole, gone, or torn at sectors of 512 bytes. SQLite's own files below it are
// real.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace parallax::collector {

// From the constructor to the destructor, every database that this process opens is recorded: one
// of them at a time.
class RecordingVfs {
 public:
  RecordingVfs();
  ~RecordingVfs();
  RecordingVfs(const RecordingVfs&) = delete;
  RecordingVfs& operator=(const RecordingVfs&) = delete;

  void Stop() { stopped_ = true; }

  // So many operations so far.
  size_t operations() const { return operations_.size(); }

  // By file name, without folder: what is there if the power goes after the first `operations`. Of
  // what was not synced, `seed` decides.
  std::map<std::string, std::string> AfterPowerLoss(size_t operations, uint64_t seed) const;

  struct Operation {
    enum class Kind { kCreate, kWrite, kTruncate, kSync, kDelete };
    Kind kind;
    std::string file;
    uint64_t offset = 0;  // kTruncate: the new size
    std::string bytes = {};
    bool synced = false;  // kDelete
  };
  // A file that came to be otherwise, by a rename, and is opened: on disk, all of it.
  void NoteAppearance(const std::string& path);
  void Note(Operation operation) {
    if (!stopped_) {
      operations_.push_back(std::move(operation));
    }
  }

 private:
  bool stopped_ = false;
  std::vector<Operation> operations_;
};

}  // namespace parallax::collector
