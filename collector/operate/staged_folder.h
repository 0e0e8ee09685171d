// A folder that comes to be whole or not at all: it is filled out of sight and moved into place at
// the end. A new folder appears by one rename; an empty one that is there already (a mount point,
// the caller's working directory) is filled file by file, the last one last, so that a folder
// which holds that file holds all. One thread.
#pragma once

#include <string>
#include <string_view>

#include "common/result.h"

namespace parallax::collector {

class StagedFolder {
 public:
  // `path` is where the folder is to be; missing parents are made. Fails with kFailure if something
  // other than an empty folder is there.
  static Result<StagedFolder> Create(const std::string& path);
  StagedFolder(StagedFolder&& other) noexcept;
  StagedFolder& operator=(StagedFolder&&) = delete;
  // Removes what was not published.
  ~StagedFolder();

  // Writes a file into it, on disk before this returns.
  Result<void> Write(const std::string& name, std::string_view content, unsigned mode);
  // Where the file `name` is for now, for those who make files themselves.
  std::string PathOf(const std::string& name) const;

  // Moves everything into place, `last` after all the rest; the folder gets mode 0700.
  Result<void> Publish(const std::string& last);

 private:
  StagedFolder(std::string path, std::string staging, bool exists);
  Result<void> MoveFiles(const std::string& last);

  std::string path_;
  std::string staging_;  // empty: nothing left to remove
  bool exists_;          // path_ was there before; staging_ is inside it
};

}  // namespace parallax::collector
