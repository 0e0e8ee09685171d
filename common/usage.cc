#include "common/usage.h"

#include <string>
#include <vector>

#include "common/config_text.h"

namespace parallax {
namespace {

std::string Meant(const std::string& word, const NameSet& known) {
  const auto nearest = NearestName(word, known);
  return nearest ? " (did you mean " + *nearest + "?)" : std::string();
}

NameSet NamesOf(const std::vector<const CLI::App*>& verbs) {
  NameSet names;
  for (const CLI::App* verb : verbs) {
    names.insert(verb->get_name());
  }
  return names;
}

NameSet OptionsOf(const CLI::App* command) {
  NameSet names;
  for (; command != nullptr; command = command->get_parent()) {
    for (const CLI::Option* option : command->get_options()) {
      for (const std::string& name : option->get_lnames()) {
        names.insert("--" + name);
      }
    }
  }
  return names;
}

// The first word that was left over, if it looks like an option.
std::string UnknownOption(const CLI::App& app) {
  const auto unknown = app.remaining(true);
  const bool option = !unknown.empty() && unknown.front().starts_with("-");
  return option ? unknown.front().substr(0, unknown.front().find('=')) : std::string();
}

}  // namespace

Error UsageError(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App* reached = &app;
  std::string words = app.get_name();
  while (!reached->get_subcommands().empty()) {
    reached = reached->get_subcommands().front();
    words += " " + reached->get_name();
  }
  std::string message = error.what();
  const auto verbs = reached->get_subcommands([](const CLI::App* verb) {
    return !verb->get_name().empty() && !verb->get_group().empty();  // no option groups, not hidden
  });
  if (!verbs.empty()) {
    std::string choices;
    for (const CLI::App* verb : verbs) {
      choices += (choices.empty() ? "" : ", ") + verb->get_name();
    }
    const auto unknown = app.remaining(true);
    message = unknown.empty()
                  ? words + " wants one more word: " + choices
                  : "no such command: " + words + " " + Printable(unknown.front()) +
                        Meant(unknown.front(), NamesOf(verbs)) + "; choose from: " + choices;
  } else if (const auto unknown = UnknownOption(app); !unknown.empty()) {
    message = "no such option: " + Printable(unknown) + Meant(unknown, OptionsOf(reached));
  }
  return {ErrorCode::kUsage, message + " (see " + words + " --help)"};
}

}  // namespace parallax
