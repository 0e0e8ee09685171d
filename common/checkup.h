// What a `doctor` command has to say: one line for each thing that it looked at, how that is, and
// the command that mends it; and all of them as a table or as JSON. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/time.h"

namespace parallax {

enum class Finding : uint8_t { kOk, kWarn, kFail };

struct CheckLine {
  std::string check;  // what was looked at: a word or two, the same in every run
  Finding finding = Finding::kOk;
  std::string says;  // one line: what was seen, never what is only supposed
  std::string fix;  // a command line that mends it, or the first step to that; empty if all is well
};

// "OK", "WARN", "FAIL".
std::string_view ToString(Finding finding);

// A line each, the command below it; and at the end how many there are of each.
std::string CheckupTable(const std::vector<CheckLine>& lines);
// {"api_version","kind":"Checkup","result","items":[{"check","finding","says","fix"}]}
std::string CheckupJson(const std::vector<CheckLine>& lines);
// 0 if nothing failed, else 1.
int CheckupExitCode(const std::vector<CheckLine>& lines);

// `word` as a shell takes it for itself: quoted if it has to be.
std::string ShellWord(std::string_view word);

// What to do about a file whose complaints name their lines.
std::string MendTheLines(std::string_view file);

// "29 days", "5 hours": for people, whole units, rounded down.
std::string Roughly(Duration time);

// "3.2 GiB"
std::string SizeText(uint64_t bytes);

// How a certificate's time stands. A third of its life before its end a new one should be there.
CheckLine JudgeValidity(std::string check, const std::string& file, WallTime not_before,
                        WallTime not_after, WallTime now, const std::string& fix);

}  // namespace parallax
