#include "sensor/observe/sketches.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "tests/unit/sensor/observe/segments.h"

namespace parallax::sensor {
namespace {

TEST(CountMin, AnEmptySketchCountsNothing) {
  const CountMin sketch;
  Hashes hashes(1);
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(sketch.Estimate(hashes.Next()), 0u);
  }
}

TEST(CountMin, AFewThingsAreCountedExactly) {
  CountMin sketch;
  for (uint64_t thing = 1; thing <= 20; ++thing) {
    const uint64_t hash = Hashes(thing).Next();
    for (uint64_t i = 0; i < thing; ++i) {
      sketch.Add(hash);
    }
  }
  for (uint64_t thing = 1; thing <= 20; ++thing) {
    EXPECT_EQ(sketch.Estimate(Hashes(thing).Next()), thing);
  }
  sketch.Clear();
  EXPECT_EQ(sketch.Estimate(Hashes(20).Next()), 0u);
}

// The bound of the header, over seeds and sizes: e / 4096 of all, with probability 1 - e^-4.
TEST(CountMin, IsNeverTooLowAndSeldomMuchTooHigh) {
  for (const uint32_t total : {100u, 10'000u, 1'000'000u}) {
    for (uint64_t seed = 1; seed <= 3; ++seed) {
      Hashes hashes(seed);
      CountMin sketch;
      std::unordered_map<uint64_t, uint32_t> truth;
      for (uint32_t i = 0; i < total; ++i) {
        // Few are frequent, many are seldom.
        const uint64_t hash = Hashes(hashes.Below(1 + hashes.Below(20000))).Next();
        sketch.Add(hash);
        ++truth[hash];
      }
      const double bound = std::exp(1) / 4096 * total;
      size_t beyond = 0;
      for (const auto& [hash, count] : truth) {
        const uint32_t estimate = sketch.Estimate(hash);
        ASSERT_GE(estimate, count);
        beyond += estimate - count > bound ? 1 : 0;
      }
      EXPECT_LE(beyond, std::exp(-4) * static_cast<double>(truth.size()));
    }
  }
}

TEST(CountMin, TenMillionDifferentThingsRaiseNobodyBeyondTheBound) {
  Hashes hashes(9);
  CountMin sketch;
  const uint64_t mine = hashes.Next();
  for (int i = 0; i < 5000; ++i) {
    sketch.Add(mine);
  }
  for (int i = 0; i < 10'000'000; ++i) {
    sketch.Add(hashes.Next());
  }
  EXPECT_GE(sketch.Estimate(mine), 5000u);
  EXPECT_LE(sketch.Estimate(mine), 5000u + 6637u);  // e / 4096 of ten millions
}

TEST(DistinctCount, NothingIsNothingAndOneIsOneHoweverOften) {
  DistinctCount count;
  EXPECT_EQ(count.Estimate(), 0u);
  const uint64_t hash = Hashes(1).Next();
  for (int i = 0; i < 1000; ++i) {
    count.Add(hash);
  }
  EXPECT_EQ(count.Estimate(), 1u);
  count.Clear();
  EXPECT_EQ(count.Estimate(), 0u);
}

TEST(DistinctCount, ExtremeHashesAreHashes) {
  DistinctCount count;
  count.Add(0);
  count.Add(~uint64_t{0});
  EXPECT_EQ(count.Estimate(), 2u);
}

// Five standard errors of 4.6 %, and a few for small counts; each size with several seeds, whose
// mean must be much closer.
TEST(DistinctCount, IsWithinItsErrorFromTensToTenMillions) {
  for (const uint32_t size : {10u, 50u, 200u, 800u, 1300u, 2000u, 5000u, 100'000u, 1'000'000u}) {
    constexpr int kSeeds = 8;
    double sum = 0;
    for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
      Hashes hashes(seed);
      DistinctCount count;
      for (uint32_t i = 0; i < size; ++i) {
        count.Add(hashes.Next());
      }
      const auto estimate = static_cast<double>(count.Estimate());
      EXPECT_NEAR(estimate, size, 0.23 * size + 3) << seed;
      sum += estimate;
    }
    EXPECT_NEAR(sum / kSeeds, size, 0.08 * size + 1);
  }
  Hashes hashes(77);
  DistinctCount count;
  for (int i = 0; i < 10'000'000; ++i) {
    count.Add(hashes.Next());
  }
  EXPECT_NEAR(static_cast<double>(count.Estimate()), 1e7, 2.3e6);
}

TEST(DistinctCount, TheUnionCountsWhatIsInBothOnce) {
  Hashes hashes(5);
  DistinctCount a;
  DistinctCount b;
  DistinctCount both;
  for (int i = 0; i < 30000; ++i) {
    const uint64_t hash = hashes.Next();
    if (i < 20000) {
      a.Add(hash);
    }
    if (i >= 10000) {
      b.Add(hash);
    }
    both.Add(hash);
  }
  EXPECT_EQ(a.EstimateUnion(b), both.Estimate());
  EXPECT_EQ(b.EstimateUnion(a), both.Estimate());
  EXPECT_EQ(a.EstimateUnion(DistinctCount()), a.Estimate());
}

}  // namespace
}  // namespace parallax::sensor
