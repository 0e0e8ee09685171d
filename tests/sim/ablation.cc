#include "tests/sim/ablation.h"

#include <fmt/format.h>

#include <cmath>
#include <iterator>
#include <limits>
#include <string_view>

#include "tests/sim/scenario_run.h"

namespace parallax::sim {
namespace {

double Value(const Share& share) {
  return share.of == 0 ? std::numeric_limits<double>::quiet_NaN() : share.value();
}

constexpr size_t kWidth = 21;  // of a name

struct Figure {
  const char* head;
  const char* key;
  int decimals;
  double (*of)(const ScenarioScore&);
};

constexpr Figure kFigures[] = {
    {"PRECISION", "precision", 3, [](const ScenarioScore& s) { return Value(s.precision); }},
    {"RECALL", "recall", 3, [](const ScenarioScore& s) { return Value(s.recall); }},
    {"P50_S", "seconds_to_open_p50", 1, [](const ScenarioScore& s) { return s.Quantile(0.5); }},
    {"P95_S", "seconds_to_open_p95", 1, [](const ScenarioScore& s) { return s.Quantile(0.95); }},
    {"SUSPECT_1", "suspect_first", 3,
     [](const ScenarioScore& s) { return Value(s.suspect_first); }},
    {"SUSPECT_3", "suspect_in_three", 3,
     [](const ScenarioScore& s) { return Value(s.suspect_in_three); }},
    {"DIRECTION", "direction", 3, [](const ScenarioScore& s) { return Value(s.direction); }},
    {"SPLIT", "split", 3, [](const ScenarioScore& s) { return Value(s.split); }},
    {"FURTHER", "further", 3, [](const ScenarioScore& s) { return Value(s.further); }},
    {"CONFUSED", "flood_confused", 3,
     [](const ScenarioScore& s) { return Value(s.flood_confused); }},
    {"PROBES/INC", "probes_per_incident_target", 0,
     [](const ScenarioScore& s) { return s.ProbesPerIncidentTarget(); }},
    {"PROBES/H", "probes_per_target_hour", 1,
     [](const ScenarioScore& s) { return s.ProbesPerTargetHour(); }},
};

std::string Number(double value, int decimals) {
  return std::isnan(value) ? "-" : fmt::format("{:.{}f}", value, decimals);
}

// "=" if it is the same to the last digit that is shown.
std::string Difference(double value, double whole, int decimals) {
  const std::string text = fmt::format("{:+.{}f}", value - whole, decimals);
  return std::isnan(value - whole) || text.find_first_of("123456789") == std::string::npos ? "="
                                                                                           : text;
}

std::string JsonNumber(double value) {
  return std::isnan(value) ? "null" : fmt::format("{:.4f}", value);
}

std::string_view NameOf(const AblationLine& line) {
  return line.without ? ToString(*line.without) : "nothing";
}

std::string Row(const AblationLine& line, const ScenarioScore& whole) {
  std::string text = fmt::format("{:<{}} {:>7}", NameOf(line), kWidth,
                                 line.without ? std::to_string(line.changed) : "");
  for (const Figure& figure : kFigures) {
    const double value = figure.of(line.score);
    const std::string difference =
        line.without ? Difference(value, figure.of(whole), figure.decimals) : "";
    text += fmt::format(" {:>5} {:>6}", Number(value, figure.decimals), difference);
  }
  return text + '\n';
}

}  // namespace

void AddLine(Ablation& ablation, const std::vector<AblationRun>& runs,
             std::optional<collector::Part> without) {
  AblationLine line;
  line.without = without;
  for (const AblationRun& one : runs) {
    RunScore run =
        Play(*one.scenario, one.seed, without ? collector::Parts{*without} : collector::Parts{});
    line.score.Add(run, ToSeconds(one.scenario->length), 0);
    line.told.push_back(std::move(run.incidents));
  }
  if (!ablation.lines.empty()) {
    const auto& whole = ablation.lines.front().told;
    for (size_t i = 0; i < runs.size(); ++i) {
      line.changed += line.told[i] != whole[i] ? 1 : 0;
    }
  }
  ablation.lines.push_back(std::move(line));
}

std::string LastRow(const Ablation& ablation) {
  return Row(ablation.lines.back(), ablation.lines.front().score);
}

std::string AblationTable(const std::vector<Ablation>& ablations) {
  std::string text;
  const auto to = std::back_inserter(text);
  for (const Ablation& ablation : ablations) {
    fmt::format_to(to, "{}{}, {} runs\n{:<{}} {:>7}", text.empty() ? "" : "\n", ablation.title,
                   ablation.lines.front().score.runs, "WITHOUT", kWidth, "CHANGED");
    for (const Figure& figure : kFigures) {
      fmt::format_to(to, " {:>12}", figure.head);
    }
    text += '\n';
    for (const AblationLine& line : ablation.lines) {
      text += Row(line, ablation.lines.front().score);
    }
  }
  return text;
}

std::string AblationJson(const std::vector<Ablation>& ablations) {
  std::string text = R"({"api_version":"parallax/v1","kind":"AblationList","items":[)";
  const auto to = std::back_inserter(text);
  const char* comma = "";
  for (const Ablation& ablation : ablations) {
    for (const AblationLine& line : ablation.lines) {
      fmt::format_to(to, R"({}{{"of":"{}","without":{},"runs":{},"changed":{})", comma,
                     ablation.title, line.without ? fmt::format(R"("{}")", NameOf(line)) : "null",
                     line.score.runs, line.changed);
      for (const Figure& figure : kFigures) {
        const double value = figure.of(line.score);
        fmt::format_to(to, R"(,"{}":{{"value":{},"difference":{}}})", figure.key, JsonNumber(value),
                       JsonNumber(value - figure.of(ablation.lines.front().score)));
      }
      text += '}';
      comma = ",";
    }
  }
  return text + "]}\n";
}

}  // namespace parallax::sim
