// What to say when a command line cannot be understood: one line that names the word and what it
// could have been.
#pragma once

#include <CLI/CLI.hpp>

#include "common/result.h"

namespace parallax {

// `error` is what app.parse() threw. Always kUsage.
Error UsageError(const CLI::App& app, const CLI::ParseError& error);

}  // namespace parallax
