// The attempt tracker against a second one that is slow and plain: it keeps what was seen of every
// attempt and reads the rules of attempt_tracker.h off that. Random segments, many seeds.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sensor/observe/attempt_tracker.h"
#include "tests/unit/sensor/observe/random_segments.h"

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

// An answer that depends on the attempt alone.
class FixedGate : public AttemptGate {
 public:
  void Count(const SynSegment&, MonoTime) override {}
  uint32_t Admit(const AttemptKey& key, uint64_t, MonoTime) override {
    return key.client.address == Address(3) ? 0 : 1u << key.client.port % 2;
  }
  bool MayTrustSilence(const AttemptKey& key, MonoTime) override {
    return key.client.address != Address(2);
  }
};

struct Story {
  AttemptKey key;
  MonoTime began;
  MonoTime last;
  WallTime stamp;
  std::string interface;
  uint32_t sampling = 1;
  uint8_t ttl = 0;
  uint32_t payload = 0;
  std::vector<MonoTime> syns;           // all but copies
  std::vector<MonoTime> sent_syns;      // those 180 ms or more after the one before in this list
  std::vector<MonoTime> syn_acks;       // all but copies
  std::vector<MonoTime> sent_syn_acks;  // likewise, with the first one's sequence number
  uint32_t server_seq = 0;
  bool refused = false;
  bool reset = false;
  bool abort = false;
  bool acknowledged = false;
  bool told = false;

  bool Answered() const { return !syn_acks.empty() || refused; }
  bool SynAfterSynAck() const {
    return std::any_of(syns.begin(), syns.end(), [this](MonoTime t) {
      return !syn_acks.empty() && t - syn_acks[0] >= 180ms;
    });
  }
  bool Settled() const { return refused || acknowledged || SynAfterSynAck() || reset || abort; }
  MonoTime Due(bool at_end) const {
    if (told || at_end) {
      const bool repeating = sent_syn_acks.size() > 1 || SynAfterSynAck();
      return last + (!Answered() ? 70s : repeating ? 35s : 8s);
    }
    if (sent_syn_acks.size() > 1) {
      return sent_syn_acks.back() + 400ms;
    }
    if (!syn_acks.empty()) {
      return syn_acks[0] + 1500ms;
    }
    const auto late = std::find_if(sent_syns.begin(), sent_syns.end(),
                                   [this](MonoTime t) { return t - began >= 900ms; });
    return std::min(began + 3500ms, late == sent_syns.end() ? MonoTime::max() : *late + 400ms);
  }
};

class Model {
 public:
  Model(bool at_end, AttemptGate& gate, const HashKey& key)
      : at_end_(at_end), gate_(gate), sight_(key) {}

  // What a segment gives rise to.
  std::vector<Attempt> See(const CapturedSegment& c) {
    told_.clear();
    const SynSegment& s = c.segment;
    const MonoTime now = c.seen;
    if (s.Has(kTcpSyn) && (s.Has(kTcpFin) || s.Has(kTcpRst))) {
      ++stats.odd;
    } else if (s.IsSyn()) {
      Story* story = Current(now, [&](const Story& x) {
        return x.key == AttemptKey{s.src, s.dst, s.seq};
      });
      if (story == nullptr && (story = New({s.src, s.dst, s.seq}, c)) == nullptr) {
        return told_;
      }
      if (story->syns.empty()) {
        story->ttl = s.ttl;
      }
      if (Add(story->syns, story->sent_syns, true, now, stats.syns)) {
        story->payload = std::max<uint32_t>(story->payload, s.payload);
        Touch(*story, now);
      }
    } else if (s.IsSynAck()) {
      Story* story = Current(now, [&](const Story& x) { return Next(x, s.dst, s.src, s.ack); });
      if (story == nullptr && (story = New({s.dst, s.src, s.ack - 1}, c)) == nullptr) {
        return told_;
      }
      if (story->syn_acks.empty()) {
        story->server_seq = s.seq;
        stats.late_answers += story->told ? 1 : 0;
        sight_.Answered(s.src.address, now);
      }
      const size_t sent = story->sent_syn_acks.size();
      if (Add(story->syn_acks, story->sent_syn_acks, s.seq == story->server_seq, now,
              stats.syn_acks)) {
        story->acknowledged =
            story->acknowledged && (sent == 0 || story->sent_syn_acks.size() == sent);
        Touch(*story, now);
      }
    } else if (s.Has(kTcpRst)) {
      Reset(s, now);
    } else if (s.Has(kTcpAck)) {
      Story* story = Current(now, [&](const Story& x) {
        return Next(x, s.src, s.dst, s.seq) && (x.syn_acks.empty() || s.ack == x.server_seq + 1);
      });
      if (story == nullptr) {
        story = Current(now, [&](const Story& x) { return ServerNext(x, s); });
      }
      if (story != nullptr && !story->acknowledged && !story->refused) {
        story->acknowledged = true;
        sight_.Acknowledged(story->key.server.address, now);
        Touch(*story, now);
      }
    }
    return told_;
  }

  void Lose(const std::string& interface, MonoTime until) {
    MonoTime& lost = lost_until_.try_emplace(interface, MonoTime::min()).first->second;
    lost = std::max(lost, until);
  }

  // The tracker says so much of its own accord. Is it due, and what would we say?
  Attempt Tell(const AttemptEvent& event, MonoTime now) {
    told_.clear();
    const auto story = std::find_if(stories_.begin(), stories_.end(), [&](const Story& x) {
      return x.key == AttemptKey{event.client, event.server, event.isn};
    });
    if (story == stories_.end() || story->told || story->Due(at_end_) > now) {
      return {};
    }
    Conclude(*story, now);
    if (at_end_) {
      stories_.erase(story);
    }
    return told_[0];
  }
  // Forgets what is to be forgotten by now; false if something untold is overdue.
  bool UpToDate(MonoTime now) {
    stories_.remove_if([&](const Story& x) { return x.told && x.Due(at_end_) + 50ms <= now; });
    return std::none_of(stories_.begin(), stories_.end(),
                        [&](const Story& x) { return x.Due(at_end_) + 50ms <= now; });
  }
  size_t Untold() const {
    return static_cast<size_t>(
        std::count_if(stories_.begin(), stories_.end(), [](const Story& x) { return !x.told; }));
  }
  size_t size() const { return stories_.size(); }
  // Whether more than one attempt fits: which is meant, no rule says.
  bool IsAmbiguous(const SynSegment& s) const {
    const auto fit = [&](auto&& fits) {
      return std::count_if(stories_.begin(), stories_.end(), fits) > 1;
    };
    return fit([&](const Story& x) { return Next(x, s.dst, s.src, s.ack); }) ||
           fit([&](const Story& x) { return Next(x, s.src, s.dst, s.seq); }) ||
           fit([&](const Story& x) { return ServerNext(x, s); });
  }

  AttemptTrackerStats stats;

 private:
  static bool Next(const Story& x, const Endpoint& client, const Endpoint& server, uint32_t next) {
    return x.key.client == client && x.key.server == server && next - x.key.isn - 1 <= x.payload;
  }
  static bool ServerNext(const Story& x, const SynSegment& s) {
    return x.key.client == s.dst && x.key.server == s.src && !x.syn_acks.empty() &&
           s.seq == x.server_seq + 1;
  }
  // False for a copy, which changes nothing.
  bool Add(std::vector<MonoTime>& all, std::vector<MonoTime>& sent, bool same, MonoTime now,
           uint64_t& counter) {
    if (!all.empty() && same && now - sent.back() < 5ms) {
      ++stats.duplicates;
      return false;
    }
    if (all.empty() || (same && now - sent.back() >= 180ms)) {
      sent.push_back(now);
    }
    all.push_back(now);
    ++counter;
    return true;
  }
  template <typename Fits>
  Story* Current(MonoTime now, Fits&& fits) {
    for (auto story = stories_.begin(); story != stories_.end(); ++story) {
      if (fits(*story)) {
        if (!story->told && story->Due(at_end_) <= now) {
          Conclude(*story, now);
        }
        if (story->told && story->Due(at_end_) <= now) {
          stories_.erase(story);
          return nullptr;
        }
        return &*story;
      }
    }
    return nullptr;
  }
  Story* New(const AttemptKey& key, const CapturedSegment& c) {
    const uint32_t sampling = gate_.Admit(key, 0, c.seen);
    if (sampling == 0) {
      ++stats.unsampled;
      ++(c.segment.IsSyn() ? stats.syns : stats.syn_acks);
      return nullptr;
    }
    ++stats.attempts;
    Story& story = stories_.emplace_back();
    story.key = key;
    story.began = story.last = c.seen;
    story.stamp = c.stamp;
    story.interface = c.interface;
    story.sampling = sampling;
    if (!at_end_) {
      Attempt& pending = Say(story, AttemptOutcome::kPending, "", c.seen);
      const bool syn = c.segment.IsSyn();
      pending.syns = syn ? 1 : 0;
      pending.syn_acks = syn ? 0 : 1;
      pending.ttl = syn ? c.segment.ttl : uint8_t{0};
    }
    return &story;
  }
  void Touch(Story& story, MonoTime now) {
    story.last = now;
    if (!story.told && !at_end_ && story.Settled()) {
      Conclude(story, now);
    }
  }
  void Reset(const SynSegment& s, MonoTime now) {
    if (s.Has(kTcpAck)) {
      if (Story* story =
              Current(now, [&](const Story& x) { return Next(x, s.dst, s.src, s.ack); })) {
        if (story->syn_acks.empty()) {
          story->refused = true;
          sight_.Answered(s.src.address, now);
          Touch(*story, now);
        }
        return;
      }
    }
    Story* story = Current(now, [&](const Story& x) { return Next(x, s.src, s.dst, s.seq); });
    if (story != nullptr && !story->syn_acks.empty() &&
        (!s.Has(kTcpAck) || s.ack == story->server_seq + 1)) {
      (s.Has(kTcpAck) ? story->abort : story->reset) = true;
      Touch(*story, now);
    }
  }
  bool Lost(const Story& story) const {
    return std::any_of(lost_until_.begin(), lost_until_.end(), [&](const auto& lost) {
      return (lost.first.empty() || lost.first == story.interface) && story.began <= lost.second;
    });
  }
  void Conclude(Story& s, MonoTime now) {
    const auto say = [&](AttemptOutcome outcome, const char* rule) { Say(s, outcome, rule, now); };
    const IpAddress& server = s.key.server.address;
    s.told = true;
    // From what was seen.
    if (s.refused) {
      return say(AttemptOutcome::kRefused, "rst");
    }
    if (s.acknowledged) {
      return say(AttemptOutcome::kCompleted, "acknowledged");
    }
    if (s.sent_syn_acks.size() > 1) {
      return say(AttemptOutcome::kHalfOpen, "syn_ack_repeated");
    }
    if (s.SynAfterSynAck()) {
      return say(AttemptOutcome::kHalfOpen, "syn_repeated_after_syn_ack");
    }
    if (s.reset) {
      return say(AttemptOutcome::kUnknown, "client_reset");
    }
    if (s.abort) {
      return say(AttemptOutcome::kCompleted, "client_abort");
    }
    // From silence.
    if (Lost(s)) {
      return say(AttemptOutcome::kUnknown, "capture_loss");
    }
    if (!s.syn_acks.empty()) {
      return s.syns.empty() ? say(AttemptOutcome::kUnknown, "syn_not_seen")
             : sight_.ShowsAcknowledgements(server, now)
                 ? say(AttemptOutcome::kHalfOpen, "never_acknowledged")
             : gate_.MayTrustSilence(s.key, now)
                 ? say(AttemptOutcome::kCompleted, "syn_ack_not_repeated")
                 : say(AttemptOutcome::kUnknown, "server_flooded");
    }
    if (s.sent_syns.size() > 1) {
      sight_.Repeated(server, now);
      return sight_.IsOneWay(server, now) ? say(AttemptOutcome::kUnknown, "one_way")
                                          : say(AttemptOutcome::kUnanswered, "syn_repeated");
    }
    sight_.OnlyOnce(server, s.key.client.address, now);
    say(AttemptOutcome::kUnknown, "syn_once");
  }
  Attempt& Say(const Story& s, AttemptOutcome outcome, const char* rule, MonoTime now) {
    return told_.emplace_back(Attempt{.client = s.key.client,
                                      .server = s.key.server,
                                      .isn = s.key.isn,
                                      .first_seen = s.stamp,
                                      .age = now - s.began,
                                      .outcome = outcome,
                                      .rule = rule,
                                      .syns = static_cast<uint32_t>(s.syns.size()),
                                      .syn_acks = static_cast<uint32_t>(s.syn_acks.size()),
                                      .ttl = s.ttl,
                                      .interface = s.interface,
                                      .sampling = s.sampling});
  }

  const bool at_end_;
  AttemptGate& gate_;
  AnswerSight sight_;
  std::list<Story> stories_;
  std::map<std::string, MonoTime> lost_until_;  // by interface; "": of all
  std::vector<Attempt> told_;
};

std::string Text(const Attempt& a) {
  return fmt::format(
      "{} > {} isn {} {} \"{}\" age {} syns {} syn_acks {} ttl {} on '{}' for {} at {}",
      a.client.ToString(), a.server.ToString(), a.isn, ToString(a.outcome), a.rule, a.age.count(),
      a.syns, a.syn_acks, a.ttl, a.interface, a.sampling, ToUnixNanos(a.first_seen));
}
std::string Text(const std::vector<Attempt>& attempts) {
  std::string text;
  for (const Attempt& a : attempts) {
    text += Text(a) + "\n";
  }
  return text;
}

class TrackerModelTest : public testing::TestWithParam<bool> {};

TEST_P(TrackerModelTest, AgreesWithThePlainOne) {
  const bool at_end = GetParam();
  std::map<std::string, int> rules;
  for (uint64_t seed = 1; seed <= 24; ++seed) {
    SCOPED_TRACE(seed);
    RandomSegments segments(seed, seed % 4 == 0 ? 40 : seed % 4 == 1 ? 1 : 4);
    FixedGate gate;
    const HashKey key{seed, 2};
    AttemptTracker tracker({.entries = 8192, .key = key, .report_at_end = at_end}, &gate);
    Model model(at_end, gate, key);
    std::vector<AttemptEvent> events;
    for (int step = 0; step < 3000; ++step) {
      const CapturedSegment segment = segments.Next();
      if (segments.Chance(4) != 0) {  // the others find timers that have run out
        tracker.Advance(segment.seen, events);
        for (const AttemptEvent& event : events) {
          ASSERT_EQ(Text(ToAttempt(event)), Text(model.Tell(event, segment.seen))) << step;
          ++rules[std::string(event.rule)];
        }
        events.clear();
        ASSERT_TRUE(model.UpToDate(segment.seen)) << step;
        ASSERT_LE(tracker.size(), model.size());
      }
      if (segments.Chance(200) == 0) {
        const char* const where = segments.Chance(2) == 0 ? "eth1" : "";
        const MonoTime until = segment.seen - std::chrono::milliseconds(segments.Chance(2000));
        tracker.NoteLoss(where, until);
        model.Lose(where, until);
      }
      if (model.IsAmbiguous(segment.segment)) {
        continue;
      }
      tracker.Observe(segment.segment, segment.stamp, segment.seen, segment.interface, events);
      std::vector<Attempt> attempts;
      for (const AttemptEvent& event : events) {
        attempts.push_back(ToAttempt(event));
        ++rules[std::string(event.rule)];
      }
      events.clear();
      ASSERT_EQ(Text(attempts), Text(model.See(segment))) << step;
    }
    ASSERT_EQ(tracker.stats().evicted, 0u);
    EXPECT_EQ(tracker.stats().syns, model.stats.syns);
    EXPECT_EQ(tracker.stats().syn_acks, model.stats.syn_acks);
    EXPECT_EQ(tracker.stats().duplicates, model.stats.duplicates);
    EXPECT_EQ(tracker.stats().odd, model.stats.odd);
    EXPECT_EQ(tracker.stats().attempts, model.stats.attempts);
    EXPECT_EQ(tracker.stats().unsampled, model.stats.unsampled);
    EXPECT_EQ(tracker.stats().late_answers, model.stats.late_answers);
    tracker.Finish(segments.now(), events);
    EXPECT_EQ(events.size(), model.Untold());
    EXPECT_EQ(tracker.size(), 0u);
  }
  // The test is worth something only if everything happened.
  for (const char* rule :
       {"rst", "acknowledged", "syn_ack_repeated", "client_reset", "client_abort", "capture_loss",
        "syn_not_seen", "syn_ack_not_repeated", "server_flooded", "syn_repeated", "syn_once",
        "syn_repeated_after_syn_ack"}) {
    EXPECT_GT(rules[rule], 20) << rule;
  }
}

INSTANTIATE_TEST_SUITE_P(LiveAndAtEnd, TrackerModelTest, testing::Bool());

}  // namespace
}  // namespace parallax::sensor
