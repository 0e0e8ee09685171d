#include "common/usage.h"

#include <string>

namespace parallax {

Error UsageError(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App* reached = &app;
  std::string words = app.get_name();
  while (!reached->get_subcommands().empty()) {
    reached = reached->get_subcommands().front();
    words += " " + reached->get_name();
  }
  std::string message = error.what();
  const auto verbs = reached->get_subcommands(
      [](const CLI::App* verb) { return !verb->get_name().empty(); });  // no option groups
  if (!verbs.empty()) {
    std::string choices;
    for (const CLI::App* verb : verbs) {
      choices += (choices.empty() ? "" : ", ") + verb->get_name();
    }
    const auto unknown = app.remaining(true);
    message = unknown.empty() ? words + " wants one more word: " + choices
                              : "no such command: " + words + " " + unknown.front() +
                                    "; choose from: " + choices;
  }
  return {ErrorCode::kUsage, message + " (see " + words + " --help)"};
}

}  // namespace parallax
