#include "collector/detect/cut_off.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Key;

class CutOffTest : public testing::Test {
 protected:
  const CutOff::Trouble& Cut(const SensorName& sensor, const std::string& group) {
    return cut_off_.Add(sensor, group, "unheard", now_ + -20s, now_);
  }
  Moment now_{MonoTime(1h), WallTime(1000h)};
  CutOff cut_off_;
};

TEST_F(CutOffTest, SensorsOfOneGroupAreOneTrouble) {
  EXPECT_EQ(Cut("mail1", "mail").about, "mail1");
  now_ = now_ + 5s;
  EXPECT_EQ(Cut("web1", "web").about, "web1") << "another department";
  const CutOff::Trouble& both = Cut("mail2", "mail");
  EXPECT_EQ(both.about, "mail1");
  EXPECT_EQ(both.since.wall, WallTime(1000h) - 20s);
  EXPECT_THAT(both.sensors, ElementsAre(Key("mail1"), Key("mail2")));
}

TEST_F(CutOffTest, ALongTimeBetweenThemIsAnotherCause) {
  Cut("mail1", "mail");
  now_ = now_ + 61s;
  EXPECT_EQ(Cut("mail2", "mail").about, "mail2");
  EXPECT_EQ(Cut("mail1", "mail").about, "mail1") << "said again";
}

TEST_F(CutOffTest, SensorsWithoutAGroupShareNothing) {
  Cut("a", "");
  EXPECT_EQ(Cut("b", "").about, "b");
}

TEST_F(CutOffTest, IsOverWithTheLastOfThem) {
  Cut("mail1", "mail");
  Cut("mail2", "mail");
  const auto left = cut_off_.Remove("mail1");
  ASSERT_TRUE(left);
  EXPECT_EQ(left->about, "mail1");
  EXPECT_THAT(left->sensors, ElementsAre(Key("mail2")));
  EXPECT_THAT(left->all, ElementsAre("mail1", "mail2"));
  EXPECT_FALSE(cut_off_.Remove("mail1"));
  EXPECT_THAT(cut_off_.Remove("mail2")->sensors, IsEmpty());
  EXPECT_FALSE(cut_off_.Remove("mail2"));
}

TEST_F(CutOffTest, OutlivesTheCollector) {
  cut_off_.Restore("mail1", "mail", {"mail1", "mail2"}, now_);
  EXPECT_EQ(Cut("mail2", "mail").about, "mail1");
  EXPECT_THAT(cut_off_.Remove("mail1")->sensors, ElementsAre(Key("mail2")));
}

}  // namespace
}  // namespace parallax::collector
