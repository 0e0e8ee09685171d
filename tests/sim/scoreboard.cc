#include "tests/sim/scoreboard.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <numeric>
#include <utility>

namespace parallax::sim {
namespace {

constexpr double kZ = 1.959964;  // of 95 %

// The two ends of Wilson's interval, low first.
std::pair<double, double> Wilson(const Share& share) {
  if (share.of == 0) {
    return {0, 1};
  }
  const auto n = static_cast<double>(share.of);
  const double p = share.value();
  const double middle = p + kZ * kZ / (2 * n);
  const double half = kZ * std::sqrt(p * (1 - p) / n + kZ * kZ / (4 * n * n));
  const double scale = 1 + kZ * kZ / n;
  return {std::max(0.0, (middle - half) / scale), std::min(1.0, (middle + half) / scale)};
}

std::string Cell(const Share& share) {
  return share.of == 0 ? "-" : fmt::format("{:.3f} >{:.2f}", share.value(), share.low());
}

std::string Cell(double number, const char* format) {
  return std::isnan(number) ? "-" : fmt::format(fmt::runtime(format), number);
}

std::string JsonShare(const Share& share) {
  return share.of == 0 ? "null"
                       : fmt::format(R"({{"right":{},"of":{},"low":{:.4f},"high":{:.4f}}})",
                                     share.right, share.of, share.low(), share.high());
}

std::string JsonNumber(double number) {
  return std::isnan(number) ? "null" : fmt::format("{:.3f}", number);
}

// Titles come from files.
std::string JsonText(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (byte < 0x20) {
      result += fmt::format("\\u{:04x}", byte);
    } else {
      result += c;
    }
  }
  return result + '"';
}

ScenarioScore Sum(const std::vector<ScenarioScore>& scores) {
  ScenarioScore sum;
  sum.title = "all";
  for (const ScenarioScore& score : scores) {
    sum.Add(score);
  }
  return sum;
}

}  // namespace

double Share::low() const { return Wilson(*this).first; }
double Share::high() const { return Wilson(*this).second; }

void ScenarioScore::Add(const RunScore& run, double simulated, double processor) {
  ++runs;
  for (const Met& met : run.met) {
    recall.Count(met.found);
    if (!met.found) {
      continue;
    }
    precision.Count(true);
    const double seconds = ToSeconds(met.to_open);
    seconds_to_open.insert(
        std::upper_bound(seconds_to_open.begin(), seconds_to_open.end(), seconds), seconds);
    const auto count = [](Share& share, const std::optional<bool>& right) {
      if (right) {
        share.Count(*right);
      }
    };
    count(direction, met.direction);
    count(split, met.split);
    count(suspect_first, met.suspect_first);
    count(suspect_in_three, met.suspect_in_three);
    for (const bool right : met.further) {
      further.Count(right);
    }
  }
  for (size_t i = 0; i < run.unexpected.size(); ++i) {
    precision.Count(false);
  }
  if (run.flood_confused) {
    flood_confused.Count(*run.flood_confused);
  }
  if (run.incident_targets > 0) {
    incident_targets += run.incident_targets;
    probes_in_incidents += run.probes - run.probes_in_peace;
  }
  probes += run.probes;
  probes_in_peace += run.probes_in_peace;
  target_hours += run.target_hours;
  target_hours_in_peace += run.target_hours_in_peace;
  simulated_seconds += simulated;
  processor_seconds += processor;
}

void ScenarioScore::Add(const ScenarioScore& other) {
  runs += other.runs;
  for (const auto share :
       {&ScenarioScore::precision, &ScenarioScore::recall, &ScenarioScore::direction,
        &ScenarioScore::split, &ScenarioScore::suspect_first, &ScenarioScore::suspect_in_three,
        &ScenarioScore::further, &ScenarioScore::flood_confused}) {
    (this->*share).Add(other.*share);
  }
  std::vector<double> merged;
  std::merge(seconds_to_open.begin(), seconds_to_open.end(), other.seconds_to_open.begin(),
             other.seconds_to_open.end(), std::back_inserter(merged));
  seconds_to_open = std::move(merged);
  probes += other.probes;
  probes_in_incidents += other.probes_in_incidents;
  incident_targets += other.incident_targets;
  probes_in_peace += other.probes_in_peace;
  target_hours += other.target_hours;
  target_hours_in_peace += other.target_hours_in_peace;
  simulated_seconds += other.simulated_seconds;
  processor_seconds += other.processor_seconds;
}

double ScenarioScore::Quantile(double q) const {
  if (seconds_to_open.empty()) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  const double at = q * static_cast<double>(seconds_to_open.size() - 1);
  return seconds_to_open[static_cast<size_t>(std::llround(at))];
}

double ScenarioScore::ProbesPerTargetHour() const {
  return target_hours_in_peace > 0 ? static_cast<double>(probes_in_peace) / target_hours_in_peace
                                   : std::numeric_limits<double>::quiet_NaN();
}

double ScenarioScore::ProbesPerIncidentTarget() const {
  return incident_targets > 0
             ? static_cast<double>(probes_in_incidents) / static_cast<double>(incident_targets)
             : std::numeric_limits<double>::quiet_NaN();
}

std::string ScoreTable(const std::vector<ScenarioScore>& scores) {
  std::string text;
  const auto to = std::back_inserter(text);
  size_t width = 8;
  for (const ScenarioScore& score : scores) {
    width = std::max(width, score.title.size());
  }
  fmt::format_to(
      to, "{:<{}} {:>5} {:>11} {:>11} {:>6} {:>6} {:>11} {:>11} {:>11} {:>11} {:>11} {:>8} {:>7}\n",
      "SCENARIO", width, "RUNS", "PRECISION", "RECALL", "P50_S", "P95_S", "DIRECTION", "SPLIT",
      "SUSPECT_1", "SUSPECT_3", "FURTHER", "PROBES/H", "X_TIME");
  const auto row = [&](const ScenarioScore& score) {
    fmt::format_to(to,
                   "{:<{}} {:>5} {:>11} {:>11} {:>6} {:>6} {:>11} {:>11} {:>11} {:>11} {:>11} "
                   "{:>8} {:>7.0f}\n",
                   score.title, width, score.runs, Cell(score.precision), Cell(score.recall),
                   Cell(score.Quantile(0.5), "{:.1f}"), Cell(score.Quantile(0.95), "{:.1f}"),
                   Cell(score.direction), Cell(score.split), Cell(score.suspect_first),
                   Cell(score.suspect_in_three), Cell(score.further),
                   Cell(score.ProbesPerTargetHour(), "{:.1f}"),
                   score.simulated_seconds / std::max(score.processor_seconds, 1e-9));
  };
  for (const ScenarioScore& score : scores) {
    row(score);
  }
  const ScenarioScore sum = Sum(scores);
  if (scores.size() > 1) {
    row(sum);
  }
  fmt::format_to(to, "Probes for each target of an incident: {}.",
                 Cell(sum.ProbesPerIncidentTarget(), "{:.0f}"));
  if (sum.flood_confused.of > 0) {
    fmt::format_to(
        to, " A flood taken for a fault, or the reverse: {} of {} runs, {:.1f} % at most.",
        sum.flood_confused.right, sum.flood_confused.of, 100 * sum.flood_confused.high());
  }
  return text + '\n';
}

std::string ScoreJson(const std::vector<ScenarioScore>& scores, const std::string& baselines) {
  std::string text = R"({"api_version":"parallax/v1","kind":"ScoreList","items":[)";
  const auto to = std::back_inserter(text);
  std::vector<ScenarioScore> all = scores;
  if (scores.size() > 1) {
    all.push_back(Sum(scores));
  }
  for (size_t i = 0; i < all.size(); ++i) {
    const ScenarioScore& score = all[i];
    fmt::format_to(to,
                   R"({}{{"scenario":{},"runs":{},"precision":{},"recall":{},"direction":{},)"
                   R"("split":{},"suspect_first":{},"suspect_in_three":{},"further":{},)"
                   R"("seconds_to_open":{{"p50":{},"p95":{}}},"probes_per_target_hour":{},)"
                   R"("probes_per_incident_target":{},"flood_confused":{},)"
                   R"("times_real_time":{:.0f}}})",
                   i == 0 ? "" : ",", JsonText(score.title), score.runs, JsonShare(score.precision),
                   JsonShare(score.recall), JsonShare(score.direction), JsonShare(score.split),
                   JsonShare(score.suspect_first), JsonShare(score.suspect_in_three),
                   JsonShare(score.further), JsonNumber(score.Quantile(0.5)),
                   JsonNumber(score.Quantile(0.95)), JsonNumber(score.ProbesPerTargetHour()),
                   JsonNumber(score.ProbesPerIncidentTarget()), JsonShare(score.flood_confused),
                   score.simulated_seconds / std::max(score.processor_seconds, 1e-9));
  }
  text += ']';
  if (!baselines.empty()) {
    text += R"(,"baselines":)" + baselines;
  }
  return text + "}\n";
}

}  // namespace parallax::sim
