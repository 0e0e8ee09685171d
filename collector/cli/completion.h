// What a shell offers when somebody presses Tab: `parallax completion SHELL` prints a script that
// asks the hidden command `parallax complete WORD...` at each press. The words that may come next
// are read off the command line's own definition; names of sensors, targets and incidents are the
// collector's, if it answers within a second.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace parallax::cli {

// "" if there is no script for that shell.
std::string_view CompletionScript(std::string_view shell);

enum class Names { kNone, kSensors, kGroups, kTargets, kIncidents, kTokens };

// What may stand in place of the last of `words` (those after the program's name; the last may be
// "" or begun). `live` is asked for names where a name belongs.
std::vector<std::string> Completions(const CLI::App& app, const std::vector<std::string>& words,
                                     const std::function<std::vector<std::string>(Names)>& live);

struct Options;
Result<void> PrintCompletionScript(const std::string& shell);
// Prints what may stand in place of the last word, a line each.
Result<void> Complete(const Options& options, const CLI::App& app,
                      const std::vector<std::string>& words);

}  // namespace parallax::cli
