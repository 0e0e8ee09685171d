// One process at a time: an advisory lock on a file of its own, which also names its holder. Held
// while the object lives; the kernel lets go of it if the process dies. The file itself stays.
#pragma once

#include <string>

#include "common/fd.h"
#include "common/result.h"

namespace parallax::collector {

class FileLock {
 public:
  // Fails with kFailure, naming `path` and the holder's process id, if it is taken.
  static Result<FileLock> Take(const std::string& path, const std::string& lock_path);

 private:
  explicit FileLock(UniqueFd file) : file_(std::move(file)) {}
  UniqueFd file_;
};

}  // namespace parallax::collector
