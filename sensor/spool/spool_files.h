// The files that a spool lives in, as an interface: the seam at which tests let disks fill up, fail
// and forget what was not synced. Names are plain, without folders. Calls may come from several
// threads, but never two at a time for one file, except Read.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/result.h"

namespace parallax::sensor {

class SpoolFile {
 public:
  virtual ~SpoolFile() = default;
  // All of `bytes` at `offset`, or an error; then any part of them may have been written.
  virtual Result<void> Write(uint64_t offset, std::string_view bytes) = 0;
  // Up to `size` bytes; fewer only at the end of the file.
  virtual Result<std::string> Read(uint64_t offset, size_t size) = 0;
  // What was written is on the disk.
  virtual Result<void> Sync() = 0;
};

class SpoolFiles {
 public:
  struct Entry {
    std::string name;
    uint64_t size = 0;
  };

  virtual ~SpoolFiles() = default;
  virtual Result<std::vector<Entry>> List() = 0;
  // Opens for reading and writing, and makes an empty file if there is none.
  virtual Result<std::shared_ptr<SpoolFile>> Open(const std::string& name) = 0;
  // No error if it is gone already.
  virtual Result<void> Remove(const std::string& name) = 0;
  // Files that were made or removed stay so.
  virtual Result<void> SyncFolder() = 0;
};

// A file that was listed, with what is in it: all, or its beginning if it is far too large to be
// one of ours.
struct WholeFile {
  std::shared_ptr<SpoolFile> file;
  std::string bytes;
};
inline Result<WholeFile> ReadWhole(SpoolFiles& files, const SpoolFiles::Entry& entry) {
  constexpr uint64_t kLargest = uint64_t{16} << 20;
  auto file = files.Open(entry.name);
  if (!file) {
    return tl::make_unexpected(file.error());
  }
  auto bytes = (*file)->Read(0, std::min(entry.size, kLargest));
  if (!bytes) {
    return tl::make_unexpected(bytes.error());
  }
  return WholeFile{std::move(*file), std::move(*bytes)};
}

// A folder, made with mode 0700 if it is missing (its parent must exist), and locked, so that no
// second sensor writes to it: kUnavailable if one does. Else kPermission, kNotFound or kFailure,
// naming the folder.
Result<std::unique_ptr<SpoolFiles>> OpenSpoolFolder(const std::string& folder);
// The same without the lock, and nothing is made or written.
Result<std::unique_ptr<SpoolFiles>> ReadSpoolFolder(const std::string& folder);

}  // namespace parallax::sensor
