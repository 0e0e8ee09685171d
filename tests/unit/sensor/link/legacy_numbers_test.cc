#include "sensor/link/legacy_numbers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parallax::sensor {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using Span = LegacyNumbers::Span;

TEST(LegacyNumbers, CountsOnWhateverTheEpoch) {
  LegacyNumbers numbers(7);
  EXPECT_EQ(numbers.Assign(100, 1, 10), 1u);
  EXPECT_EQ(numbers.Assign(200, 5, 3), 11u);
  EXPECT_EQ(numbers.Assign(100, 11, 1), 14u);
  EXPECT_THAT(numbers.Waiting(),
              ElementsAre(Span{1, 100, 1, 10}, Span{11, 200, 5, 3}, Span{14, 100, 11, 1}));
}

TEST(LegacyNumbers, AcknowledgementsAreTranslated) {
  LegacyNumbers numbers(7);
  numbers.Assign(100, 1, 10);
  numbers.Assign(200, 5, 3);
  EXPECT_THAT(numbers.Committed(0), IsEmpty());
  EXPECT_THAT(numbers.Committed(4), ElementsAre(Pair(100, 4)));
  EXPECT_THAT(numbers.Waiting(), ElementsAre(Span{5, 100, 5, 6}, Span{11, 200, 5, 3}));
  EXPECT_THAT(numbers.Committed(12), ElementsAre(Pair(100, 10), Pair(200, 6)));
  EXPECT_THAT(numbers.Committed(99), ElementsAre(Pair(200, 7)));
  EXPECT_THAT(numbers.Waiting(), IsEmpty());
  EXPECT_EQ(numbers.Assign(200, 8, 1), 14u);
}

TEST(LegacyNumbers, ForgottenOnesAreNotUsedAgain) {
  LegacyNumbers numbers(7);
  numbers.Assign(100, 1, 10);
  numbers.Forget();
  EXPECT_THAT(numbers.Waiting(), IsEmpty());
  EXPECT_EQ(numbers.Assign(100, 1, 10), 11u);
}

}  // namespace
}  // namespace parallax::sensor
