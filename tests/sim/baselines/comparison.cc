#include "tests/sim/baselines/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <optional>

namespace parallax::sim {
namespace {

std::optional<double> PrecisionOf(const ScenarioScore& score) {
  if (score.precision.of > 0) {
    return score.precision.value();
  }
  return score.recall.of == 0 ? std::optional(1.0) : std::nullopt;
}

std::optional<double> RecallOf(const ScenarioScore& score) {
  return score.recall.of > 0 ? std::optional(score.recall.value()) : std::nullopt;
}

double Mean(const std::vector<ScenarioScore>& scores,
            std::optional<double> (*of)(const ScenarioScore&)) {
  double sum = 0;
  size_t count = 0;
  for (const ScenarioScore& score : scores) {
    if (const auto value = of(score)) {
      sum += *value;
      ++count;
    }
  }
  return count == 0 ? std::numeric_limits<double>::quiet_NaN() : sum / static_cast<double>(count);
}

std::string Number(double value, const char* form) {
  return std::isnan(value) ? "-" : fmt::format(fmt::runtime(form), value);
}

std::string Cell(std::optional<double> precision, std::optional<double> recall, double seconds) {
  const double none = std::numeric_limits<double>::quiet_NaN();
  return fmt::format("{:>4} {:>4} {:>5}", Number(precision.value_or(none), "{:.2f}"),
                     Number(recall.value_or(none), "{:.2f}"), Number(seconds, "{:.0f}"));
}

}  // namespace

double Contender::MacroPrecision() const { return Mean(scores, PrecisionOf); }
double Contender::MacroRecall() const { return Mean(scores, RecallOf); }

ScenarioScore Contender::Sum() const {
  ScenarioScore sum;
  for (const ScenarioScore& score : scores) {
    sum.Add(score);
  }
  return sum;
}

std::string ComparisonTable(const std::vector<Contender>& contenders) {
  std::string text;
  const auto to = std::back_inserter(text);
  size_t width = 8;
  for (const ScenarioScore& score : contenders.front().scores) {
    width = std::max(width, score.title.size());
  }
  const auto row = [&](const std::string& title, const auto& cell) {
    fmt::format_to(to, "{:<{}}", title, width);
    for (const Contender& contender : contenders) {
      fmt::format_to(to, "  {:>15}", cell(contender));
    }
    text += '\n';
  };
  row("", [](const Contender& c) { return c.name; });
  row("SCENARIO", [](const Contender&) { return std::string("PREC  REC P50_S"); });
  for (size_t i = 0; i < contenders.front().scores.size(); ++i) {
    row(contenders.front().scores[i].title, [&](const Contender& c) {
      const ScenarioScore& score = c.scores[i];
      return Cell(PrecisionOf(score), RecallOf(score), score.Quantile(0.5));
    });
  }
  row("macro", [](const Contender& c) {
    return Cell(c.MacroPrecision(), c.MacroRecall(), c.Sum().Quantile(0.5));
  });
  row("p95 of the time",
      [](const Contender& c) { return Cell(std::nullopt, std::nullopt, c.Sum().Quantile(0.95)); });
  return text;
}

std::string ComparisonJson(const std::vector<Contender>& contenders) {
  std::string text = "[";
  for (const Contender& contender : contenders) {
    const ScenarioScore sum = contender.Sum();
    const auto number = [](double value) {
      return std::isnan(value) ? "null" : fmt::format("{:.4f}", value);
    };
    text += fmt::format(
        R"({}{{"name":"{}","macro_precision":{},"macro_recall":{},"seconds_to_open":)"
        R"({{"p50":{},"p95":{}}}}})",
        text.size() == 1 ? "" : ",", contender.name, number(contender.MacroPrecision()),
        number(contender.MacroRecall()), number(sum.Quantile(0.5)), number(sum.Quantile(0.95)));
  }
  return text + "]";
}

}  // namespace parallax::sim
