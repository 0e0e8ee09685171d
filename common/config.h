// Reads a TOML file into typed values and collects every complaint, each with file, line and
// column, so that an operator mends a file in one go. Unknown keys are errors.
//
//   Result<ConfigFile> file = ConfigFile::Load(path);
//   config.level = file->String("log.level", "info");
//   config.lost_after = file->Time("detect.lost_after", 10s, 3s, 1h);
//   if (auto ok = file->Finish(); !ok) return tl::make_unexpected(ok.error());
//
// One thread; the object lives only while a configuration is being read.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/ip.h"
#include "common/log.h"
#include "common/result.h"
#include "common/time.h"

namespace parallax {

class ConfigFile {
 public:
  // kBadConfig if the file cannot be read or is no TOML (file:line:column in the message).
  static Result<ConfigFile> Load(const std::string& path);
  // The same of text that has been read already, from `path`.
  static Result<ConfigFile> Parse(const std::string& content, const std::string& path);
  ConfigFile(ConfigFile&&) noexcept;
  ~ConfigFile();

  // `key` is dotted ("server.listen"). A key that is absent gives `fallback`; a value of the wrong
  // type or form is recorded as a complaint and gives `fallback` too.
  std::string String(std::string_view key, std::string_view fallback);
  int64_t Integer(std::string_view key, int64_t fallback, int64_t least, int64_t most);
  double Number(std::string_view key, double fallback, double least, double most);
  bool Boolean(std::string_view key, bool fallback);
  // A string with a unit ("10s"), between `least` and `most`.
  Duration Time(std::string_view key, Duration fallback, Duration least, Duration most);
  std::vector<std::string> Strings(std::string_view key, std::vector<std::string> fallback);
  PrefixSet Prefixes(std::string_view key);
  // Gives each element of a list to `read`: strings as they are, integers in decimal. What `read`
  // fails with is recorded as a complaint about that element. `wanted` describes an element.
  void Elements(std::string_view key, std::string_view wanted,
                const std::function<Result<void>(const std::string&)>& read);
  HostPort HostAndPort(std::string_view key, std::string_view fallback);
  // A list that must be there and not be empty.
  std::vector<HostPort> HostsAndPorts(std::string_view key);
  LogLevel Level(std::string_view key, LogLevel fallback);
  // A file name; relative ones are taken from the folder of the configuration file.
  std::string Path(std::string_view key, std::string_view fallback);

  // How many sections [[key]] there are. The n-th one's keys, from 0, are "key.n.name".
  size_t Sections(std::string_view key);

  bool Has(std::string_view key) const;
  // Records a complaint about the value of `key` (or about its absence).
  void Complain(std::string_view key, std::string_view message);

  // Ok, or kBadConfig with all complaints in file order, one "FILE:LINE:COLUMN: what" per line (100
  // at the most) and their number at the end; unknown keys and sections among them, each with the
  // nearest known name. REQUIRES: every known key has been asked for.
  Result<void> Finish();

 private:
  struct Impl;
  explicit ConfigFile(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace parallax
