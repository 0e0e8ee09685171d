// Holds a shipped configuration file (deploy/config) against the code: its commented keys are
// exactly the known ones, and each, uncommented, says what the code does without it.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <sstream>
#include <string>
#include <vector>

namespace parallax {

inline bool IsCommentedKey(const std::string& line) {
  return line.size() > 1 && line[0] == '#' && line[1] >= 'a' && line[1] <= 'z' &&
         line.find(" = ") != std::string::npos;
}

// "section.key" for each key in the file, commented out or not, in file order.
inline std::vector<std::string> KeysOf(const std::string& toml) {
  std::vector<std::string> keys;
  std::string section;
  std::istringstream lines(toml);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("[")) {
      section = line.substr(1, line.find(']') - 1) + ".";
    } else if (IsCommentedKey(line)) {
      keys.push_back(section + line.substr(1, line.find(' ') - 1));
    } else if (!line.empty() && line[0] != '#') {
      keys.push_back(section + line.substr(0, line.find(' ')));
    }
  }
  return keys;
}

// The file with its n-th commented key (from 0) uncommented; empty if there is none.
inline std::string UncommentOne(const std::string& toml, size_t n) {
  std::string out;
  bool found = false;
  std::istringstream lines(toml);
  for (std::string line; std::getline(lines, line);) {
    if (IsCommentedKey(line) && n-- == 0) {
      line.erase(0, 1);
      found = true;
    }
    out += line + "\n";
  }
  return found ? out : "";
}

inline std::string UncommentAll(std::string toml) {
  for (std::string next; !(next = UncommentOne(toml, 0)).empty();) {
    toml = std::move(next);
  }
  return toml;
}

}  // namespace parallax
