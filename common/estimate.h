// Shares and rates with their uncertainty. Pure.
#pragma once

#include <functional>
#include <span>

namespace parallax {

struct Estimate {
  double value = 0;
  double low = 0;  // 95 % interval
  double high = 1;
};

// A rate of which `events` were seen and `others` not (they may be expected counts, thus broken):
// the ratio seen, and Jeffreys' interval (Brown, Cai, DasGupta, "Interval Estimation for a Binomial
// Proportion", 2001), from 0 if there was no event and up to 1 if there was nothing else.
Estimate RateOf(double events, double others);

// Mean and 95 % interval of a density that is given by its weight in each of equal cells; `edge`
// maps a place among the cells (0 to weights.size()) to the value there. REQUIRES: some weight > 0.
Estimate SummariseCells(std::span<const double> weights, const std::function<double(double)>& edge);

// Logarithm of the beta function. REQUIRES: a > 0, b > 0.
double LogBeta(double a, double b);

}  // namespace parallax
