// One process at a time: an advisory lock on a file of its own, which also names its holder. Held
// while the object lives; the kernel lets go of it if the process dies. The file itself stays.
#pragma once

#include <string>
#include <string_view>

#include "common/fd.h"
#include "common/result.h"

namespace parallax {

class FileLock {
 public:
  // What to say if it is taken: "PATH: in use by another HOLDER (pid 7); stop that one first, or
  // give this one another KEY", with this code.
  struct Words {
    std::string_view holder;
    std::string_view key;
    ErrorCode code = ErrorCode::kFailure;
  };
  static Result<FileLock> Take(const std::string& path, const std::string& lock_path,
                               const Words& words);

 private:
  explicit FileLock(UniqueFd file) : file_(std::move(file)) {}
  UniqueFd file_;
};

}  // namespace parallax
