#include <cstdio>
#include <set>

#include "collector/cli/answer.h"
#include "collector/cli/commands.h"
#include "collector/cli/completion.h"
#include "collector/cli/table.h"

namespace parallax::cli {
namespace {

constexpr Duration kPatience = std::chrono::seconds(1);  // somebody waits for the Tab key

std::vector<std::string> LiveNames(Client& client, Names names) {
  std::vector<std::string> out;
  const auto add = [&](const auto& answer, auto name_of) {
    if (answer) {
      for (const auto& item : answer->items()) {
        out.push_back(name_of(item));
      }
    }
  };
  switch (names) {
    case Names::kSensors:
      add(client.Sensors({}), [](const v1::Sensor& sensor) { return sensor.name(); });
      break;
    case Names::kGroups:
      add(client.Sensors({}), [](const v1::Sensor& sensor) { return sensor.group(); });
      break;
    case Names::kTargets:
      add(client.Targets({}), [](const v1::Target& target) { return target.address(); });
      break;
    case Names::kIncidents:
      add(client.Incidents({}), [](const v1::Incident& incident) { return incident.id(); });
      break;
    case Names::kTokens:
      add(client.Tokens(), [](const v1::Token& token) { return token.id(); });
      break;
    case Names::kNone:
      break;
  }
  return out;
}

}  // namespace

Result<void> PrintCompletionScript(const std::string& shell) {
  Put(stdout, CompletionScript(shell));
  return Flushed();
}

Result<void> Complete(const Options& options, const CLI::App& app,
                      const std::vector<std::string>& words) {
  Options impatient = options;
  impatient.timeout = kPatience;
  // The place is the one that the words name, if they do.
  for (size_t i = 0; i + 2 < words.size(); ++i) {
    if (words[i] == "--socket") {
      impatient.place = {words[i + 1], {}, {}};
    } else if (words[i] == "--collector") {
      impatient.place.collector = words[i + 1];
    } else if (words[i] == "--identity") {
      impatient.place.identity = words[i + 1];
    }
  }
  const auto live = [&](Names names) {
    auto client = Connect(impatient);
    return client ? LiveNames(*client, names) : std::vector<std::string>();
  };
  for (const std::string& candidate : Completions(app, words, live)) {
    Put(stdout, Printable(candidate) + "\n");
  }
  return Flushed();
}

}  // namespace parallax::cli
