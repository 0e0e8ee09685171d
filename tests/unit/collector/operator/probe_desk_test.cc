// Who asked gets the answers to his question, once each, and nothing else.
#include "collector/operate/probe_desk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

const IpAddress kTarget = *IpAddress::Parse("198.51.100.7");
constexpr Duration kPatience = 30s;

class ProbeDeskTest : public testing::Test {
 protected:
  ProbeDeskTest() {
    desk_.OnSend([this](const SensorName& sensor, const std::vector<Order>& orders) {
      asked_.push_back(sensor);
      last_ = std::get<ProbeOrder>(orders.front());
    });
  }
  static ProbeOrder Ping() {
    ProbeOrder order;
    order.target = kTarget;
    order.tries = {ProbeTry{}};
    return order;
  }
  IngestedBatch Report(const SensorName& sensor, uint64_t id,
                       const IpAddress& target = kTarget) const {
    ProbeReport report;
    report.order_id = id;
    report.target = target;
    return {sensor, 1, 1, {}, {report}};
  }
  std::string Next(uint64_t question, Duration patience = kPatience) {
    const auto answer = desk_.Next(question, Now().mono + patience);
    return answer ? answer->sensor : "";
  }

  ProbeDesk desk_{7};
  std::vector<SensorName> asked_;
  ProbeOrder last_;
};

TEST_F(ProbeDeskTest, EachSensorAnswersOnce) {
  const uint64_t question = *desk_.Ask(Ping(), {"a", "b"});
  EXPECT_THAT(asked_, ElementsAre("a", "b"));
  EXPECT_EQ(last_.id, question);
  desk_.Hear(Report("b", question));
  desk_.Hear(Report("b", question));
  desk_.Hear(Report("c", question));  // was not asked
  desk_.Hear(Report("a", question + 1));
  desk_.Hear(Report("a", question, *IpAddress::Parse("203.0.113.9")));
  EXPECT_EQ(Next(question), "b");
  desk_.Hear(Report("a", question));
  EXPECT_EQ(Next(question), "a");
  EXPECT_EQ(Next(question), "") << "all have answered: at once";
}

TEST_F(ProbeDeskTest, IdsAreNoRoundsAndNoTwoAreTheSame) {
  const uint64_t first = *desk_.Ask(Ping(), {"a"});
  const uint64_t second = *desk_.Ask(Ping(), {"a"});
  EXPECT_NE(first, second);
  EXPECT_GE(first, uint64_t{1} << 63);
  desk_.Hear(Report("a", second));
  EXPECT_EQ(Next(second), "a");
  EXPECT_EQ(Next(first, 1ms), "");
}

TEST_F(ProbeDeskTest, WaitsForWhatComesLater) {
  const uint64_t question = *desk_.Ask(Ping(), {"a"});
  std::thread later([&] { desk_.Hear(Report("a", question)); });
  EXPECT_EQ(Next(question), "a");
  later.join();
}

TEST_F(ProbeDeskTest, FewAtOnceAndRoomAgainWhenNobodyWaits) {
  std::vector<uint64_t> questions;
  while (true) {
    const auto question = desk_.Ask(Ping(), {"a"});
    if (!question) {
      EXPECT_EQ(question.error().code, ErrorCode::kUnavailable);
      break;
    }
    questions.push_back(*question);
    ASSERT_LT(questions.size(), 100u);
  }
  desk_.Forget(questions.front());
  EXPECT_TRUE(desk_.Ask(Ping(), {"a"}));
  desk_.Hear(Report("a", questions.front()));  // nobody's any more
  EXPECT_EQ(Next(questions.front(), 1ms), "");
}

}  // namespace
}  // namespace parallax::collector
