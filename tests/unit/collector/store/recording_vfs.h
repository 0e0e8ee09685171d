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

// From the constructor to Stop, every database that this process opens is recorded: one of them at
// a time, and all of them are closed before Stop.
class RecordingVfs {
 public:
  using Files = std::map<std::string, std::string>;  // content by name, without folder

  // `before`: what is in the folder already, on disk.
  explicit RecordingVfs(Files before = {});
  ~RecordingVfs() { Stop(); }
  RecordingVfs(const RecordingVfs&) = delete;
  RecordingVfs& operator=(const RecordingVfs&) = delete;

  void Stop();

  // So many operations so far.
  size_t operations() const { return operations_.size(); }

  // What is there if the power goes after the first `operations`. Of what was not synced, `seed`
  // decides.
  Files AfterPowerLoss(size_t operations, uint64_t seed) const;

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
  const Files before_;
  bool stopped_ = false;
  std::vector<Operation> operations_;
};

}  // namespace parallax::collector
