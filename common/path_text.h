// Paths as text: no file is looked at. Pure.
#pragma once

#include <string>

namespace parallax {

// The folder that holds `file`: "." for a bare name.
inline std::string FolderOf(const std::string& file) {
  const size_t slash = file.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : file.substr(0, slash);
}

}  // namespace parallax
