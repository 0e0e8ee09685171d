// Reads the sections of a scenario's file into a Scenario, one file after the other: what a file
// names must have been said in it or in its base. Complaints go to the file. Lives while a scenario
// is being loaded.
#pragma once

#include <fmt/format.h>

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/config.h"
#include "tests/sim/scenario.h"

namespace parallax::sim {

class ScenarioReader {
 public:
  explicit ScenarioReader(Scenario& scenario) : scenario_(scenario) {}

  // All of a file; a second one adds to what the first has said.
  void Read(ConfigFile& file);

 private:
  template <typename T>
  using Words = std::vector<std::pair<std::string_view, T>>;
  using Names = std::set<std::string>;

  // scenario_reader.cc
  std::string Known(const std::string& key, const Names& names, std::string_view what);
  std::vector<std::string> AllKnown(const std::string& key, const Names& names,
                                    std::string_view what);
  std::string Router(const std::string& key) { return Known(key, routers_, "router"); }
  std::vector<std::string> Routers(const std::string& key, bool one_at_least);
  // A new name.
  std::string Named(const std::string& key, Names& names);
  // One of `words`, or nothing.
  std::string OneOf(const std::string& key, const std::vector<std::string_view>& words);
  std::vector<IpAddress> Addresses(const std::string& key);
  std::vector<Prefix> SomePrefixes(const std::string& key);
  std::optional<Prefix> OnePrefix(const std::string& key);
  double Share(const std::string& key, double fallback) {
    return file_->Number(key, fallback, 0, 1);
  }
  Duration Time(const std::string& key, Duration fallback = {});
  Loss ReadLoss(const std::string& at);
  // The value that goes with the word at `key`; the first if there is none.
  template <typename T>
  T Word(const std::string& key, const Words<T>& words) {
    const std::string text = file_->String(key, words.front().first);
    std::string all;
    for (const auto& [word, value] : words) {
      if (word == text) {
        return value;
      }
      all += fmt::format("{}\"{}\"", all.empty() ? "" : ", ", word);
    }
    file_->Complain(key, fmt::format("\"{}\" is none of {}", text, all));
    return words.front().second;
  }
  HashPolicy Hash(const std::string& key);

  // scenario_file.cc
  void ReadRouter(const std::string& at);
  void ReadLink(const std::string& at);
  void ReadSensor(const std::string& at);
  void ReadRemotes(const std::string& at);

  // scenario_faults.cc
  void ReadFault(const std::string& at);
  void ReadTimes(const std::string& at, ScenarioFault& fault);
  void ReadKind(const std::string& at, ScenarioFault& fault);
  void ReadRoute(const std::string& at, ScenarioFault& fault);
  void ReadEnds(const std::string& at, ScenarioFault& fault);
  void ReadFilter(const std::string& at, Filter& filter);
  void CheckLink(const std::string& key, const std::string& a, const std::string& b);
  void ReadExpectation(const std::string& at);

  ConfigFile* file_ = nullptr;
  Scenario& scenario_;
  Names routers_;
  Names sensors_;
  Names remotes_;
  std::set<std::pair<std::string, std::string>> links_;
};

}  // namespace parallax::sim
