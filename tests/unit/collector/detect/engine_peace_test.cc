// Nothing is wrong, or nothing that anybody should be told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/collector/detect/world.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;
using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;

double ProbesPerTargetHour(const sim::Campus& campus, uint64_t before, Duration time) {
  return static_cast<double>(campus.probes() - before) /
         static_cast<double>(campus.remotes().size()) / (ToSeconds(time) / 3600);
}

class Loss : public testing::TestWithParam<double> {};

TEST_P(Loss, IsLossAndNothingElse) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    WorldOptions options;
    options.seed = seed;
    options.loss = GetParam();
    World campus(options);
    campus.Run(10min);
    const uint64_t learning = campus.probes();
    campus.Run(60min);
    if (GetParam() < 0.05) {
      EXPECT_THAT(Story(campus), IsEmpty());
    } else {
      EXPECT_THAT(Story(campus), Each(HasSubstr("lossy_path")));
    }
    const double rate = ProbesPerTargetHour(campus, learning, 60min);
    Tell("peace, loss %4.1f %%, seed %d: %6.1f probes per target-hour (first 10 min: %.1f)",
         GetParam() * 100, static_cast<int>(seed), rate,
         static_cast<double>(learning) / static_cast<double>(campus.remotes().size()));
    // With losses there are half-open attempts and missed probes to look into.
    EXPECT_LE(rate, GetParam() < 0.05 ? 20 : 500);
  }
}
INSTANTIATE_TEST_SUITE_P(Random, Loss, testing::Values(0.0, 0.005, 0.05, 0.2));

TEST(Bursts, OfTotalLossAtOneSensorAreNoIncident) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    World campus({.seed = seed, .loss = 0.005});
    for (sim::Place& place : campus.sensors()) {
      place.burst = [offset = Duration(7s) * static_cast<int>(place.name.size())](MonoTime t) {
        const Duration phase = (t.time_since_epoch() + offset) % 37s;
        return phase < 2500ms;
      };
    }
    campus.Run(30min);
    EXPECT_THAT(Story(campus), IsEmpty()) << seed;
  }
}

}  // namespace
}  // namespace parallax::collector
