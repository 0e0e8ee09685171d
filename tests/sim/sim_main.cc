// parallax-sim: plays scenarios and prints how Parallax did.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "collector/detect/part.h"
#include "common/result.h"
#include "common/usage.h"
#include "tests/sim/ablation.h"
#include "tests/sim/baselines/comparison.h"
#include "tests/sim/baselines/watch.h"
#include "tests/sim/random_campus.h"
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
  bool baselines = false;
  std::vector<std::string> without;  // of the engine
  uint64_t ablation_seeds = 2;
  uint64_t ablation_worlds = 0;
  std::vector<std::string> parts;  // to leave out, one after the other; none: all
};

// Of this process: the machine may have other things to do.
double ProcessorSeconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

// Parallax first, then the baselines if they are asked for; each with a score for every scenario.
std::vector<Contender> Contenders(const Words& words) {
  std::vector<Contender> contenders = {{"parallax", {}}};
  if (words.baselines) {
    for (const auto& baseline : AllBaselines()) {
      contenders.push_back({std::string(baseline->name()), {}});
    }
  }
  return contenders;
}

void Tell(const Scenario& scenario, const RunScore& run) {
  for (const ScenarioFault& fault : scenario.faults) {
    fmt::print(
        stderr,
        "{}, seed {}: fault {} at {:.0f} s{}, node '{}', from '{}' to '{}', share {}, via '{}'\n",
        scenario.title, run.seed, static_cast<int>(fault.kind), ToSeconds(fault.at),
        fault.until ? fmt::format(" until {:.0f} s", ToSeconds(*fault.until)) : "", fault.node,
        fault.from, fault.to, fault.share, fmt::join(fault.via, ","));
  }
  for (const auto& incident : run.incidents) {
    const bool unexpected =
        std::any_of(run.unexpected.begin(), run.unexpected.end(),
                    [&](const auto& other) { return other.number == incident.number; });
    const std::string until =
        incident.closed_at == WallTime{}
            ? "on"
            : fmt::format("{:.0f} s", ToSeconds(incident.closed_at - run.began));
    fmt::print(stderr, "{}, seed {}: {}{} from {:.0f} s to {}: {}\n", scenario.title, run.seed,
               unexpected ? "UNEXPECTED " : "", ToString(incident.verdict),
               ToSeconds(incident.opened_at - run.began), until, incident.summary);
  }
  size_t met = 0;
  for (const ScenarioExpectation& expected : scenario.expected) {
    if (!expected.optional && !run.met[met++].found) {
      fmt::print(stderr, "{}, seed {}: MISSED {}\n", scenario.title, run.seed, expected.verdict);
    }
  }
}

void WatchOnce(const Scenario& scenario, uint64_t seed, const Words& words, size_t row,
               std::vector<Contender>& contenders) {
  std::vector<std::unique_ptr<Baseline>> baselines = AllBaselines();
  for (size_t i = 0; i < baselines.size(); ++i) {
    const double start = ProcessorSeconds();
    const RunScore run = Watch(*baselines[i], scenario, seed);
    contenders[i + 1].scores[row].Add(run, ToSeconds(scenario.length), ProcessorSeconds() - start);
    for (const auto& claim : run.unexpected) {
      if (words.verbose) {
        std::fprintf(stderr, "%s, seed %llu: %s, UNEXPECTED at %.0f s: %s\n",
                     scenario.title.c_str(), static_cast<unsigned long long>(seed),
                     contenders[i + 1].name.c_str(), ToSeconds(claim.opened_at - WallTime{}),
                     claim.summary.c_str());
      }
    }
  }
}

// Adds to the line `row` of each.
void PlayOnce(const Scenario& scenario, uint64_t seed, const Words& words, size_t row,
              std::vector<Contender>& contenders) {
  const double start = ProcessorSeconds();
  collector::Parts without;
  for (const std::string& name : words.without) {
    without.Add(*collector::ParsePart(name));  // names were checked
  }
  const RunScore run = Play(scenario, seed, without);
  contenders[0].scores[row].Add(run, ToSeconds(scenario.length), ProcessorSeconds() - start);
  if (words.verbose) {
    Tell(scenario, run);
  }
  if (words.baselines) {
    WatchOnce(scenario, seed, words, row, contenders);
  }
}

// The line for this title, made if need be.
size_t RowOf(const std::string& title, std::vector<Contender>& contenders) {
  const auto& first = contenders[0].scores;
  const auto it = std::find_if(first.begin(), first.end(),
                               [&](const ScenarioScore& score) { return score.title == title; });
  const auto row = static_cast<size_t>(it - first.begin());
  if (row == first.size()) {
    for (Contender& contender : contenders) {
      contender.scores.emplace_back().title = title;
    }
  }
  return row;
}

int Print(const std::vector<Contender>& contenders, const Words& words) {
  const std::vector<ScenarioScore>& scores = contenders[0].scores;
  if (words.output == "json") {
    const std::string compared = words.baselines ? ComparisonJson(contenders) : "";
    std::fputs(ScoreJson(scores, compared).c_str(), stdout);
  } else {
    std::fputs(ScoreTable(scores).c_str(), stdout);
    if (words.baselines) {
      std::printf("\n%s", ComparisonTable(contenders).c_str());
    }
  }
  const bool perfect = std::all_of(scores.begin(), scores.end(), [](const ScenarioScore& score) {
    return score.precision.right == score.precision.of && score.recall.right == score.recall.of;
  });
  return static_cast<int>(perfect ? ExitCode::kOk : ExitCode::kFailure);
}

Result<std::vector<Scenario>> Load(const std::vector<std::string>& files) {
  std::vector<Scenario> scenarios;
  for (const std::string& file : files) {
    auto scenario = LoadScenario(file);
    if (!scenario) {
      return tl::unexpected(scenario.error());
    }
    scenarios.push_back(std::move(*scenario));
  }
  return scenarios;
}

int Run(const Words& words) {
  const auto scenarios = Load(words.files);
  if (!scenarios) {
    return ReportFailure(kProgram, scenarios.error());
  }
  std::vector<Contender> contenders = Contenders(words);
  for (const Scenario& scenario : *scenarios) {
    const size_t row = RowOf(scenario.title, contenders);
    for (uint64_t i = 0; i < words.seeds; ++i) {
      PlayOnce(scenario, words.first_seed + i, words, row, contenders);
    }
  }
  return Print(contenders, words);
}

void Describe(const RandomWorld& world, uint64_t seed) {
  std::string right;
  for (const ScenarioExpectation& e : world.scenario.expected) {
    right += fmt::format("{}{}{}{}{}", right.empty() ? "" : ", ", e.optional ? "maybe " : "",
                         e.verdict, e.failing.empty() ? "" : " of ", fmt::join(e.failing, " "));
  }
  std::fprintf(stderr, "%s, seed %llu: %s; right: %s\n", world.kind.c_str(),
               static_cast<unsigned long long>(seed), world.description.c_str(),
               right.empty() ? "nothing" : right.c_str());
}

// A line for each kind of fault.
int RunWorlds(const Words& words) {
  std::vector<Contender> contenders = Contenders(words);
  for (uint64_t i = 0; i < words.seeds; ++i) {
    const uint64_t seed = words.first_seed + i;
    const RandomWorld world = MakeRandomWorld(seed);
    if (words.verbose) {
      Describe(world, seed);
    }
    PlayOnce(world.scenario, seed, words, RowOf(world.kind, contenders), contenders);
  }
  for (Contender& contender : contenders) {
    std::sort(contender.scores.begin(), contender.scores.end(),
              [](const ScenarioScore& a, const ScenarioScore& b) { return a.title < b.title; });
  }
  return Print(contenders, words);
}

int RunAblation(const Words& words) {
  const auto scenarios = Load(words.files);
  if (!scenarios) {
    return ReportFailure(kProgram, scenarios.error());
  }
  std::vector<AblationRun> of_files;
  for (const Scenario& scenario : *scenarios) {
    for (uint64_t i = 0; i < words.ablation_seeds; ++i) {
      of_files.push_back({&scenario, words.first_seed + i});
    }
  }
  std::deque<RandomWorld> worlds;
  std::vector<AblationRun> of_worlds;
  for (uint64_t i = 0; i < words.ablation_worlds; ++i) {
    worlds.push_back(MakeRandomWorld(words.first_seed + i));
    of_worlds.push_back({&worlds.back().scenario, words.first_seed + i});
  }
  std::vector<collector::Part> parts;
  for (const std::string& name : words.parts) {
    parts.push_back(*collector::ParsePart(name));  // names were checked
  }
  if (parts.empty()) {
    parts.assign(collector::AllParts().begin(), collector::AllParts().end());
  }
  std::vector<Ablation> ablations;
  for (auto& [title, runs] : {std::pair("scenarios", &of_files), {"worlds", &of_worlds}}) {
    if (runs->empty()) {
      continue;
    }
    Ablation& ablation = ablations.emplace_back(Ablation{title, {}});
    AddLine(ablation, *runs, std::nullopt);
    for (const collector::Part part : parts) {
      AddLine(ablation, *runs, part);
      if (words.verbose) {
        fmt::print(stderr, "{}", LastRow(ablation));
      }
    }
  }
  const bool json = words.output == "json";
  std::fputs((json ? AblationJson(ablations) : AblationTable(ablations)).c_str(), stdout);
  return static_cast<int>(ExitCode::kOk);
}

int Check(const Words& words) {
  ExitCode code = ExitCode::kOk;
  for (const std::string& file : words.files) {
    if (const auto scenario = LoadScenario(file); !scenario) {
      code = static_cast<ExitCode>(ReportFailure(kProgram, scenario.error()));
    }
  }
  return static_cast<int>(code);
}

// Names of parts, with commas between them.
void AddPartsOption(CLI::App& app, const char* name, std::vector<std::string>& parts,
                    const char* help) {
  std::vector<std::string> known;
  for (const collector::Part part : collector::AllParts()) {
    known.emplace_back(ToString(part));
  }
  std::string names;
  size_t column = 0;
  for (const std::string& part : known) {
    const bool full = column + part.size() > 90;
    names += names.empty() ? "Parts: " : full ? ",\n  " : ", ";
    column = full ? part.size() : column + part.size() + 2;
    names += part;
  }
  app.footer(names + ".");
  app.add_option(name, parts, help)
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::IsMember(known))
      ->option_text("PART[,PART...]");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "Plays scenarios of network faults in virtual time, with the real decision code of sensors\n"
      "and collector, and scores what is said of them. tests/sim/README.md tells how to write "
      "one.\n"
      "\n"
      "  parallax-sim run tests/sim/scenarios/*.toml --seeds 100\n"
      "  parallax-sim worlds --seeds 200\n"
      "  parallax-sim ablate tests/sim/scenarios/*.toml --worlds 60",
      kProgram};
  app.require_subcommand(1);
  Words words;
  CLI::App* run = app.add_subcommand("run", "Play scenarios, and print a line for each");
  CLI::App* worlds =
      app.add_subcommand("worlds", "Play random campuses with random faults, one for each seed");
  CLI::App* ablate = app.add_subcommand(
      "ablate", "Play scenarios with the whole engine and without one part after the other");
  CLI::App* check = app.add_subcommand("check", "Only read scenarios");
  for (CLI::App* each : {run, ablate, check}) {
    each->add_option("files", words.files, "Scenario files")->required();
  }
  run->add_option("--seeds", words.seeds, "How often each is played (10)");
  worlds->add_option("--seeds", words.seeds, "How many (10)");
  ablate->add_option("--seeds", words.ablation_seeds, "How often each is played (2)");
  ablate->add_option("--worlds", words.ablation_worlds, "And so many random campuses (0)")
      ->check(CLI::Range(0, 1'000'000));
  for (CLI::App* each : {run, worlds, ablate}) {
    each->get_option("--seeds")->check(CLI::Range(1, 1'000'000));
    each->add_option("--first-seed", words.first_seed, "Begin with this seed (1)");
    each->add_option("-o,--output", words.output, "table or json")
        ->check(CLI::IsMember({"table", "json"}));
  }
  for (CLI::App* each : {run, worlds}) {
    each->add_flag("--baselines", words.baselines,
                   "Let ring-sqa, a ping loop and Taitao watch the same, and compare");
    each->add_flag("-v,--verbose", words.verbose, "Tell of each incident on stderr");
    AddPartsOption(*each, "--without", words.without, "Leave these parts out of the engine");
  }
  ablate->add_flag("-v,--verbose", words.verbose, "Tell each line on stderr, too, as it comes");
  AddPartsOption(*ablate, "--parts", words.parts, "Leave out only these parts (all)");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    return ReportFailure(kProgram, UsageError(app, error));
  }
  return check->parsed()    ? Check(words)
         : worlds->parsed() ? RunWorlds(words)
         : ablate->parsed() ? RunAblation(words)
                            : Run(words);
}
