// Random times for the simulator.
#pragma once

#include <random>

#include "common/time.h"

namespace parallax::sim {

// Between events that come at random, `mean` apart. REQUIRES: mean > 0
inline Duration Exponential(Duration mean, std::mt19937_64& random) {
  const double seconds = std::exponential_distribution<double>(1 / ToSeconds(mean))(random);
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

}  // namespace parallax::sim
