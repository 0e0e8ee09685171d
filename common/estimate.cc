#include "common/estimate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

namespace parallax {
namespace {

// Stirling's series after a shift; std::lgamma writes a global. REQUIRES: x > 0.
double LogGamma(double x) {
  double shift = 1;
  for (; x < 8; ++x) {
    shift *= x;
  }
  const double inverse = 1 / x;
  const double square = inverse * inverse;
  return (x - 0.5) * std::log(x) - x + 0.5 * std::log(2 * std::numbers::pi) +
         inverse * (1.0 / 12 - square * (1.0 / 360 - square * (1.0 / 1260))) - std::log(shift);
}

}  // namespace

double LogBeta(double a, double b) { return LogGamma(a) + LogGamma(b) - LogGamma(a + b); }

Estimate SummariseCells(std::span<const double> weights,
                        const std::function<double(double)>& edge) {
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  Estimate out{0, edge(0.0), edge(static_cast<double>(weights.size()))};
  double below = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    const double weight = weights[i] / total;
    const auto quantile_here = [&](double q) {
      return edge(static_cast<double>(i) + (q - below) / weight);
    };
    if (below < 0.025 && below + weight >= 0.025) {
      out.low = quantile_here(0.025);
    }
    if (below < 0.975 && below + weight >= 0.975) {
      out.high = quantile_here(0.975);
    }
    out.value += weight * edge(static_cast<double>(i) + 0.5);
    below += weight;
  }
  return out;
}

Estimate RateOf(double events, double others) {
  constexpr size_t kCells = 256;
  events = std::max(events, 0.0);
  others = std::max(others, 0.0);
  const double seen = events + others;
  if (seen <= 0) {
    return {};
  }
  // In t = asin(sqrt(rate)) the posterior is sin^2e(t) cos^2o(t), 1 / (2 sqrt(n)) wide.
  const double centre = std::asin(std::sqrt(events / seen));
  const double reach = 4 / std::sqrt(seen);
  const double from = std::max(0.0, centre - reach);
  const double step = (std::min(std::numbers::pi / 2, centre + reach) - from) / kCells;
  std::array<double, kCells> weights;
  double most = -std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < kCells; ++i) {
    const double t = from + (static_cast<double>(i) + 0.5) * step;
    weights[i] = 2 * events * std::log(std::sin(t)) + 2 * others * std::log(std::cos(t));
    most = std::max(most, weights[i]);
  }
  for (double& weight : weights) {
    weight = std::exp(weight - most);
  }
  Estimate out = SummariseCells(weights, [&](double cell) {
    const double root = std::sin(from + cell * step);
    return root * root;
  });
  out.value = events / seen;
  out.low = events > 0 ? std::min(out.low, out.value) : 0;
  out.high = others > 0 ? std::max(out.high, out.value) : 1;
  return out;
}

}  // namespace parallax
