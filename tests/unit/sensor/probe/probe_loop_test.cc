// How long the probe thread sleeps, and on what, with a port and a client that do nothing.
#include "sensor/probe/probe_loop.h"

#include <gtest/gtest.h>

#include "common/siphash.h"
#include "sensor/probe/wire/ledger.h"
#include "sensor/probe/wire/tagger.h"

namespace parallax::sensor {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class IdlePort : public ProbePort {
 public:
  void Send(std::span<const Probe>, std::vector<SendOutcome>&) override {}
  bool Receive(const Handler&) override { return false; }
  size_t room() const override { return room_; }
  bool KnowsWhen() const override { return knows_when_; }
  std::vector<int> descriptors() const override {
    ++asked_;
    return {};
  }

  size_t room_ = SIZE_MAX;
  bool knows_when_ = true;
  mutable int asked_ = 0;
};

class DueClient : public ProbeClient {
 public:
  void Advance(const Moment&, size_t, std::vector<ProbeSend>&) override {}
  void OnAnswer(const ProbeMatch&, const Answer&, const Moment&) override {}
  void OnSendError(const ProbeOwner&, int, const Moment&) override {}
  std::optional<MonoTime> NextDeadline() const override { return due_; }

  MonoTime due_ = MonoTime::min();
};

class ProbeLoopTest : public testing::Test {
 protected:
  ProbeLoopTest() { loop_.Add(ProbeOwner::Kind::kSweep, client_); }

  ProbeTagger tagger_{HashKey{1, 2}, HashKey{3, 4}, {61440, 65535}};
  ProbeLedger ledger_{tagger_, 16};
  ProbeGate gate_{ledger_, Policy()};
  IdlePort port_;
  DueClient client_;
  ProbeLoop loop_{port_, gate_};
};

TEST_F(ProbeLoopTest, DoesNotSpinWhileThePortHasNoRoom) {
  port_.room_ = 0;
  const MonoTime start = Now().mono;
  EXPECT_FALSE(loop_.Turn());
  EXPECT_FALSE(loop_.Wait(-1, start + seconds(1)));
  EXPECT_GE(Now().mono - start, milliseconds(1));
}

TEST_F(ProbeLoopTest, ShortSleepsWaitForAnswersThatNobodyStamps) {
  client_.due_ = Now().mono + milliseconds(1);
  loop_.Wait(-1, client_.due_);
  EXPECT_EQ(port_.asked_, 0);
  port_.knows_when_ = false;
  client_.due_ = Now().mono + milliseconds(1);
  loop_.Wait(-1, client_.due_);
  EXPECT_EQ(port_.asked_, 1);
}

}  // namespace
}  // namespace parallax::sensor
