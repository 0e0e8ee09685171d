// parallax-sim: plays scenarios and prints how Parallax did.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "common/result.h"
#include "common/usage.h"
#include "tests/sim/scoreboard.h"

namespace {

using namespace parallax;       // NOLINT: a program of one file
using namespace parallax::sim;  // NOLINT

constexpr const char* kProgram = "parallax-sim";

struct Words {
  std::vector<std::string> files;
  uint64_t seeds = 10;
  uint64_t first_seed = 1;
  std::string output = "table";
  bool verbose = false;
};

void Tell(const Scenario& scenario, const RunScore& run) {
  for (const auto& incident : run.incidents) {
    const bool unexpected =
        std::any_of(run.unexpected.begin(), run.unexpected.end(),
                    [&](const auto& other) { return other.number == incident.number; });
    std::fprintf(stderr, "%s, seed %llu: %s%s, %s: %s\n", scenario.title.c_str(),
                 static_cast<unsigned long long>(run.seed), unexpected ? "UNEXPECTED " : "",
                 std::string(ToString(incident.verdict)).c_str(),
                 std::string(ToString(incident.state)).c_str(), incident.summary.c_str());
  }
  for (size_t i = 0; i < run.met.size(); ++i) {
    if (!run.met[i].found) {
      std::fprintf(stderr, "%s, seed %llu: MISSED expectation %zu\n", scenario.title.c_str(),
                   static_cast<unsigned long long>(run.seed), i + 1);
    }
  }
}

int Run(const Words& words) {
  std::vector<Scenario> scenarios;
  for (const std::string& file : words.files) {
    auto scenario = LoadScenario(file);
    if (!scenario) {
      return ReportFailure(kProgram, scenario.error());
    }
    scenarios.push_back(std::move(*scenario));
  }
  std::vector<ScenarioScore> scores;
  bool perfect = true;
  for (const Scenario& scenario : scenarios) {
    ScenarioScore score;
    score.title = scenario.title;
    for (uint64_t i = 0; i < words.seeds; ++i) {
      const auto start = std::chrono::steady_clock::now();
      const RunScore run = Play(scenario, words.first_seed + i);
      const Duration wall = std::chrono::steady_clock::now() - start;
      score.Add(run, ToSeconds(scenario.length), ToSeconds(wall));
      if (words.verbose) {
        Tell(scenario, run);
      }
    }
    perfect = perfect && score.precision.right == score.precision.of &&
              score.recall.right == score.recall.of;
    scores.push_back(std::move(score));
  }
  std::fputs((words.output == "json" ? ScoreJson(scores) : ScoreTable(scores)).c_str(), stdout);
  return static_cast<int>(perfect ? ExitCode::kOk : ExitCode::kFailure);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "Plays scenarios of network faults in virtual time, with the real decision code of sensors\n"
      "and collector, and scores what is said of them. tests/sim/README.md tells how to write "
      "one.\n"
      "\n"
      "  parallax-sim run tests/sim/scenarios/*.toml --seeds 100",
      kProgram};
  app.require_subcommand(1);
  Words words;
  CLI::App* run = app.add_subcommand("run", "Play scenarios, and print a line for each");
  CLI::App* check = app.add_subcommand("check", "Only read them");
  for (CLI::App* each : {run, check}) {
    each->add_option("files", words.files, "Scenario files")->required();
  }
  run->add_option("--seeds", words.seeds, "How often each is played (10)")
      ->check(CLI::Range(1, 1'000'000));
  run->add_option("--first-seed", words.first_seed, "Begin with this seed (1)");
  run->add_option("-o,--output", words.output, "table or json")
      ->check(CLI::IsMember({"table", "json"}));
  run->add_flag("-v,--verbose", words.verbose, "Tell of each incident on stderr");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    return ReportFailure(kProgram, UsageError(app, error));
  }
  if (check->parsed()) {
    for (const std::string& file : words.files) {
      if (const auto scenario = LoadScenario(file); !scenario) {
        return ReportFailure(kProgram, scenario.error());
      }
    }
    return 0;
  }
  return Run(words);
}
