// One attempt after the other, in virtual time that passes as it does in the capture thread.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <string_view>
#include <vector>

#include "sensor/observe/attempt_tracker.h"

namespace parallax::sensor {

inline constexpr uint32_t kIsn = 1000;
inline constexpr uint32_t kServerSeq = 7000;
inline const Endpoint kClient{*IpAddress::Parse("2001:db8::7"), 40000};
inline const Endpoint kServer{*IpAddress::Parse("2001:db8:ffff::1"), 25};

class TrackerTest : public testing::Test {
 protected:
  explicit TrackerTest(bool at_end = false, size_t entries = 1024, AttemptGate* gate = nullptr)
      : tracker_({.entries = entries, .key = {3, 4}, .report_at_end = at_end}, gate) {}

  static constexpr Duration kStep = std::chrono::milliseconds(10);

  // Lets time pass the way the capture thread does.
  void To(Duration t) {
    while (now_ + kStep <= t) {
      now_ += kStep;
      while (tracker_.Advance(MonoTime(now_), out_)) {
      }
    }
    now_ = t;
  }
  void Send(Duration t, const SynSegment& segment) {
    To(t);
    tracker_.Observe(segment, FromUnixNanos(0) + t, MonoTime(t), "eth0", out_);
  }
  void Syn(Duration t, uint32_t isn = kIsn) {
    Send(t, {.src = kClient, .dst = kServer, .seq = isn, .flags = kTcpSyn, .ttl = 57});
  }
  void SynAck(Duration t, uint32_t isn = kIsn, uint32_t seq = kServerSeq) {
    Send(t, {.src = kServer,
             .dst = kClient,
             .seq = seq,
             .ack = isn + 1,
             .flags = kTcpSyn | kTcpAck,
             .ttl = 64});
  }
  void ServerRst(Duration t, uint32_t isn = kIsn) {
    Send(t, {.src = kServer, .dst = kClient, .seq = 0, .ack = isn + 1, .flags = kTcpRst | kTcpAck});
  }
  void ClientRst(Duration t, uint8_t flags = kTcpRst, uint32_t ack = 0) {
    Send(t, {.src = kClient, .dst = kServer, .seq = kIsn + 1, .ack = ack, .flags = flags});
  }
  // The outcome records so far; pending ones are checked and set aside.
  std::vector<AttemptEvent> Outcomes() const {
    std::vector<AttemptEvent> outcomes;
    for (const AttemptEvent& a : out_) {
      if (a.outcome != AttemptOutcome::kPending) {
        outcomes.push_back(a);
      }
    }
    return outcomes;
  }
  size_t Pending() const { return out_.size() - Outcomes().size(); }
  // Exactly one outcome, this one, no later than 250 ms after it was due.
  void ExpectOutcome(AttemptOutcome outcome, std::string_view rule, Duration due) {
    const auto outcomes = Outcomes();
    ASSERT_EQ(outcomes.size(), 1u);
    const AttemptEvent& a = outcomes[0];
    EXPECT_EQ(ToString(a.outcome), ToString(outcome));
    EXPECT_EQ(a.rule, rule);
    EXPECT_GE(a.age, due);
    EXPECT_LE(a.age, due + std::chrono::milliseconds(250));
    EXPECT_EQ(a.client, kClient);
    EXPECT_EQ(a.server, kServer);
    EXPECT_EQ(a.isn, kIsn);
    EXPECT_EQ(a.interface, "eth0");
    EXPECT_EQ(Pending(), 1u);
    EXPECT_EQ(out_[0].outcome, AttemptOutcome::kPending);
    EXPECT_EQ(out_[0].first_seen, a.first_seen);
  }

  AttemptTracker tracker_;
  Duration now_{};
  std::vector<AttemptEvent> out_;
};

}  // namespace parallax::sensor
