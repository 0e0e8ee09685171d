#include "common/renewal_plan.h"

#include <gtest/gtest.h>

#include <set>

#include "common/certificate_life.h"

namespace parallax {
namespace {

using namespace std::chrono_literals;

const WallTime kMade = FromUnixNanos(1'800'000'000'000'000'000);

TEST(RenewalPlan, AThirdOfTheLifeGiveOrTakeATwentieth) {
  std::set<WallTime> times;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    RenewalPlan plan(seed);
    plan.Hold(kMade, kMade + 300h);
    EXPECT_GE(plan.next(), kMade + 95h);
    EXPECT_LE(plan.next(), kMade + 105h);
    EXPECT_FALSE(plan.Due(kMade + 94h));
    EXPECT_TRUE(plan.Due(kMade + 105h));
    times.insert(plan.next());
  }
  EXPECT_GT(times.size(), 190u) << "hosts that were set up together do not come together";
}

TEST(RenewalPlan, InAHurryWithinTenMinutes) {
  RenewalPlan plan(1);
  plan.Hold(kMade, kMade + 300h);
  plan.Hurry(kMade + 1h);
  EXPECT_TRUE(plan.Due(kMade + 1h + 10min));
  plan.Hold(kMade, kMade + 100s);
  plan.Hurry(kMade + 1s);
  EXPECT_TRUE(plan.Due(kMade + 6s)) << "a twentieth of a short life";
}

TEST(RenewalPlan, FailuresAreTriedAgainEverLessOftenButOftenEnough) {
  for (const Duration life : {Duration(30s), Duration(300h), Duration(8760h)}) {
    RenewalPlan plan(7);
    plan.Hold(kMade, kMade + life);
    WallTime now = plan.next();
    int attempts = 0;
    for (; !plan.Expired(now) && attempts < 100'000; ++attempts) {
      plan.NoteFailure(now);
      EXPECT_GT(plan.next(), now);
      EXPECT_LE(plan.next() - now, std::max<Duration>(1s, std::min<Duration>(1h, life / 20)));
      now = plan.next();
    }
    EXPECT_GT(attempts, 10) << FormatDuration(life);
  }
}

TEST(RenewalPlan, ANewCertificateForgetsFailures) {
  RenewalPlan plan(7);
  plan.Hold(kMade, kMade + 300h);
  for (int i = 0; i < 10; ++i) {
    plan.NoteFailure(kMade + 100h);
  }
  plan.Hold(kMade + 100h, kMade + 400h);
  EXPECT_FALSE(plan.Due(kMade + 194h));
  plan.NoteFailure(kMade + 200h);
  EXPECT_TRUE(plan.Due(kMade + 200h + 1min));
}

TEST(CertificateLife, IssuedAtIsNeverTooLate) {
  for (const Duration life : {Duration(10s), Duration(1min), Duration(1h), Duration(720h)}) {
    const WallTime issued = IssuedAt(kMade - BackdateOf(life), kMade + life);
    EXPECT_LE(issued, kMade);
    EXPECT_GE(issued, kMade - 1s) << FormatDuration(life);
  }
}

}  // namespace
}  // namespace parallax
