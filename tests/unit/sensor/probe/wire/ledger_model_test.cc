// The ledger against a plain model of its contract: many thousands of random operations, the same
// answer to each.
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <random>
#include <tuple>

#include "sensor/probe/wire/ledger.h"
#include "tests/unit/sensor/probe/test_probes.h"

namespace parallax::sensor {
namespace {

using namespace test;

// What the ledger's header says, over a list of everything remembered.
class Model {
 public:
  struct Entry {
    Probe probe;
    MonoTime sent;
    bool open = true;
    bool answered = false;
    bool errored = false;
    bool redirected = false;
    bool acked = false;
    MonoTime ended;
  };

  Model(const ProbeTagger& tagger, size_t capacity) : tagger_(tagger), capacity_(capacity) {}

  // What may be forgotten is, before a probe is opened. Whether one can be.
  bool MakeRoom(MonoTime now) {
    while (!ended_.empty() &&
           (entries_.at(ended_.front()).ended + 75s <= now || entries_.size() >= capacity_)) {
      entries_.erase(ended_.front());
      ended_.pop_front();
    }
    return entries_.size() < capacity_;
  }
  void Open(const Probe& probe, MonoTime now) {
    const auto [it, fresh] = entries_.emplace(probe.id >> 24, Entry{});
    ASSERT_TRUE(fresh);
    it->second.probe = probe;
    it->second.sent = now;
    for (const auto& [number, entry] : entries_) {
      const Probe& p = entry.probe;
      ASSERT_FALSE(p.id != probe.id && p.target == probe.target && p.attempt.port == Port(probe) &&
                   p.attempt.method == probe.attempt.method && p.sequence == probe.sequence);
    }
  }
  void SetSent(const Probe& probe, MonoTime at) {
    if (const auto it = entries_.find(probe.id >> 24); it != entries_.end()) {
      it->second.sent = at;
    }
  }
  void Close(const Probe& probe, MonoTime now) {
    const auto it = entries_.find(probe.id >> 24);
    if (it != entries_.end() && it->second.open) {
      it->second.open = false;
      it->second.ended = now;
      ended_.push_back(it->first);
    }
  }
  size_t InFlight() const { return entries_.size() - ended_.size(); }

  std::optional<ProbeMatch> OnAnswer(const Answer& answer, MonoTime received) {
    Entry* entry = Find(answer);
    if (entry == nullptr) {
      if (tagger_.TagIsOurs(answer)) {
        ++counts.late;
      } else if (tagger_.OwnsFlow(answer) || KnowsTag(answer)) {
        ++counts.forged;
      } else {
        ++counts.foreign;
      }
      return std::nullopt;
    }
    const bool from_target = answer.source == answer.target;
    bool& seen = answer.kind == AnswerKind::kRedirect                ? entry->redirected
                 : answer.kind == AnswerKind::kError && !from_target ? entry->errored
                                                                     : entry->answered;
    const bool stale = answer.kind == AnswerKind::kError && entry->answered;
    if (seen || stale) {
      ++counts.duplicate;
      return std::nullopt;
    }
    seen = true;
    ++(entry->open ? counts.accepted : counts.late);
    ProbeMatch match;
    match.probe_id = entry->probe.id;
    match.late = !entry->open;
    match.rtt = std::max(received - entry->sent, Duration::zero());
    match.ttl = entry->probe.ttl;
    return match;
  }

  AnswerCounts counts;

 private:
  static uint16_t Port(const Probe& probe) { return probe.attempt.port; }
  static bool SameHost(const Probe& probe, const Answer& answer) {
    return probe.target == answer.target && probe.attempt.method == answer.method &&
           probe.attempt.port == answer.port;
  }
  static bool TagRight(const Probe& probe, const Answer& answer) {
    return answer.tag && answer.tag->probe_id == probe.id && answer.tag->tag == probe.tag;
  }
  bool KnowsTag(const Answer& answer) const {
    for (const auto& [number, entry] : entries_) {
      if (TagRight(entry.probe, answer)) {
        return true;
      }
    }
    return false;
  }
  // The one whose tag comes back, else of the flow's that have no answer: no error either, waited
  // for, the highest TTL, the youngest, in this order; else the youngest.
  Entry* FindUdp(const Answer& answer) {
    Entry* youngest = nullptr;
    Entry* best = nullptr;
    const auto rank = [](const Entry& e) {
      return std::tuple(!e.errored, e.open, e.probe.ttl == 0 ? kDefaultTtl : e.probe.ttl);
    };
    for (auto it = entries_.rbegin(); it != entries_.rend(); ++it) {
      Entry& entry = it->second;
      if (!SameHost(entry.probe, answer) || entry.probe.flow_port != answer.flow_port) {
        continue;
      }
      if (TagRight(entry.probe, answer)) {
        return &entry;
      }
      youngest = youngest == nullptr ? &entry : youngest;
      if (!entry.answered && (best == nullptr || rank(entry) > rank(*best))) {
        best = &entry;
      }
    }
    youngest = best != nullptr ? best : youngest;
    return youngest;
  }
  // Once for each probe that is named: itself if it is waited for, else the first younger one of
  // the 64 youngest of its flow, else the youngest older one that was sent a second before it at
  // the most; never one with an error or a lower TTL.
  Entry* FindAcknowledged(const Answer& answer) {
    std::vector<Entry*> flow;  // youngest first
    for (auto it = entries_.rbegin(); it != entries_.rend(); ++it) {
      const Probe& p = it->second.probe;
      if (SameHost(p, answer) && p.flow_port == answer.flow_port) {
        flow.push_back(&it->second);
      }
    }
    const auto named = std::find_if(flow.begin(), flow.end(), [&](const Entry* entry) {
      return entry->probe.sequence == answer.sequence;
    });
    if (named == flow.end() || (*named)->acked) {
      return named == flow.end() ? nullptr : *named;
    }
    (*named)->acked = true;
    const auto ttl = [](const Entry* e) { return e->probe.ttl == 0 ? kDefaultTtl : e->probe.ttl; };
    const auto waits = [&](const Entry* e) {
      return e->open && !e->answered && !e->errored && ttl(e) >= ttl(*named);
    };
    const auto end = flow.begin() + std::min<std::ptrdiff_t>(64, std::ssize(flow));
    Entry* younger = nullptr;
    for (auto it = flow.begin(); it != end && it != named; ++it) {
      younger = waits(*it) ? *it : younger;
    }
    if (waits(*named) || younger != nullptr) {
      return waits(*named) ? *named : younger;
    }
    for (auto it = named + 1; it < end && (*it)->sent + 1s >= (*named)->sent; ++it) {
      if (waits(*it)) {
        return *it;
      }
    }
    return *named;
  }
  Entry* Find(const Answer& answer) {
    if (answer.kind == AnswerKind::kAck) {
      return FindAcknowledged(answer);
    }
    if (answer.kind == AnswerKind::kUdpReply) {
      return FindUdp(answer);
    }
    const bool quoted = answer.kind == AnswerKind::kError || answer.kind == AnswerKind::kRedirect;
    const bool udp = answer.method == ProbeMethod::kUdp;
    const auto passes = [&](const Probe& probe, uint32_t sequence) {
      const bool port = probe.flow_port == answer.flow_port;
      const bool number = probe.sequence == sequence;
      if (answer.tag) {
        return TagRight(probe, answer) && (number || udp) && (port || quoted);
      }
      if (answer.method == ProbeMethod::kTcpSyn) {
        return number && (port || quoted);
      }
      return number && port && quoted;
    };
    for (const uint32_t sequence : {answer.sequence, uint32_t{answer.quoted_ip_id}}) {
      for (auto& [number, entry] : entries_) {
        if (SameHost(entry.probe, answer) && passes(entry.probe, sequence)) {
          return &entry;
        }
      }
      if (!quoted || !udp) {
        break;
      }
    }
    return nullptr;
  }

  const ProbeTagger& tagger_;
  const size_t capacity_;
  std::map<uint64_t, Entry> entries_;  // by number, in the order in which they were opened
  std::deque<uint64_t> ended_;
};

class Play {
 public:
  Play(unsigned seed, size_t capacity, unsigned targets)
      : random_(seed), targets_(targets), ledger_(tagger_, capacity), model_(tagger_, capacity) {}

  void Step() {
    now_ += std::chrono::microseconds(Below(40'000));
    switch (Below(10)) {
      case 0:
      case 1:
      case 2:
        Open();
        break;
      case 3:
      case 4:
        Close();
        break;
      case 5:
        if (!known_.empty()) {
          const Probe& probe = Known();
          const MonoTime at = now_ - std::chrono::microseconds(Below(1000));
          ledger_.SetSent(probe.id, at);
          model_.SetSent(probe, at);
        }
        break;
      default:
        if (!known_.empty()) {
          Receive();
        }
    }
    ASSERT_EQ(ledger_.in_flight(), model_.InFlight());
    const AnswerCounts& a = ledger_.counts();
    const AnswerCounts& b = model_.counts;
    ASSERT_EQ(a.accepted, b.accepted);
    ASSERT_EQ(a.late, b.late);
    ASSERT_EQ(a.duplicate, b.duplicate);
    ASSERT_EQ(a.forged, b.forged);
    ASSERT_EQ(a.foreign, b.foreign);
  }
  const AnswerCounts& counts() const { return ledger_.counts(); }

 private:
  unsigned Below(unsigned limit) { return static_cast<unsigned>(random_() % limit); }
  const Probe& Known() { return known_[Below(static_cast<unsigned>(known_.size()))]; }

  void Open() {
    ProbeTry attempt = std::array{kEcho, kHttps, kUdpTrace}[Below(3)];
    attempt.flow = static_cast<uint16_t>(Below(3));
    attempt.port = static_cast<uint16_t>(attempt.port + (attempt.port == 0 ? 0 : Below(2)));
    const IpAddress target =
        Below(2) == 0
            ? V4(0xc6336400 + Below(targets_))
            : IpAddress::V6(std::array<uint8_t, 16>{0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                                    0, 0, static_cast<uint8_t>(Below(targets_))});
    const auto probe = ledger_.Open(target, 0, attempt, static_cast<uint8_t>(Below(3)), {}, now_);
    ASSERT_EQ(probe.has_value(), model_.MakeRoom(now_));
    if (probe) {
      model_.Open(*probe, now_);
      known_.push_back(*probe);
      if (known_.size() > 400) {
        model_.Close(known_.front(), now_);
        ledger_.Close(known_.front().id, now_);
        known_.pop_front();
      }
    }
  }
  void Close() {
    if (known_.empty()) {
      return;
    }
    const Probe& probe = Known();
    ledger_.Close(probe.id, now_);
    model_.Close(probe, now_);
  }
  Answer Some(const Probe& probe) {
    const IpAddress router = Below(5) == 0 ? probe.target : Ip("203.0.113.1");
    switch (Below(4)) {
      case 0:
        return ErrorTo(probe, router, ErrorMeaning::kTimeExceeded, Below(2) == 0);
      case 1:
        return RedirectTo(probe, router, router);
      default:
        return probe.attempt.method == ProbeMethod::kTcpSyn && Below(2) == 0
                   ? AnswerTo(probe, AnswerKind::kAck)
                   : AnswerTo(probe);
    }
  }
  void Receive() {
    Answer answer = Some(Known());
    for (unsigned n = Below(3); n > 0; --n) {
      const Answer other = Some(Known());
      switch (Below(14)) {
        case 0:
          answer.target = other.target;
          break;
        case 1:
          answer.source = other.source;
          break;
        case 2:
          answer.port = other.port;
          break;
        case 3:
          answer.flow_port = other.flow_port;
          break;
        case 4:
          answer.sequence = other.sequence;
          break;
        case 5:
          answer.quoted_ip_id = other.quoted_ip_id;
          break;
        case 6:
          answer.tag = other.tag;
          break;
        case 7:
          answer.flow_port = 40000;
          break;
        default:
          break;
      }
    }
    // As the parser has it: a reply's source is its target.
    if (answer.kind != AnswerKind::kError && answer.kind != AnswerKind::kRedirect) {
      answer.source = answer.target;
    }
    if (answer.method == ProbeMethod::kTcpSyn) {
      answer.tag.reset();
    }
    const auto got = ledger_.OnAnswer(answer, now_);
    const auto expected = model_.OnAnswer(answer, now_);
    ASSERT_EQ(got.has_value(), expected.has_value());
    if (got) {
      ASSERT_EQ(got->probe_id, expected->probe_id);
      ASSERT_EQ(got->late, expected->late);
      ASSERT_EQ(got->rtt, expected->rtt);
      ASSERT_EQ(got->ttl, expected->ttl);
    }
  }

  std::mt19937 random_;
  const unsigned targets_;
  const ProbeTagger tagger_{{1, 2}, {3, 4}, {61440, 65535}};
  ProbeLedger ledger_;
  Model model_;
  MonoTime now_{1000s};
  std::deque<Probe> known_;
};

void RunPlay(unsigned seed, size_t capacity, unsigned targets, int steps) {
  Play play(seed, capacity, targets);
  for (int i = 0; i < steps; ++i) {
    play.Step();
    if (testing::Test::HasFatalFailure()) {
      FAIL() << "seed " << seed << ", step " << i;
    }
  }
  // All of it has happened.
  EXPECT_GT(play.counts().accepted, 100u);
  EXPECT_GT(play.counts().late, 100u);
  EXPECT_GT(play.counts().duplicate, 50u);
  EXPECT_GT(play.counts().forged, 50u);
  EXPECT_GT(play.counts().foreign, 10u);
}

TEST(LedgerModel, SameAnswersAsThePlainModel) {
  RunPlay(1, 1000, 2, 30'000);  // nothing is forgotten but by age
  RunPlay(2, 100, 2, 30'000);   // full most of the time
  RunPlay(3, 13, 3, 10'000);
  for (unsigned seed = 4; seed < 12; ++seed) {
    RunPlay(seed, 300, 1 + seed % 4, 10'000);
  }
}

// Tables that grow, wrap around and lose entries from the middle of runs: every probe that must be
// there is found, and none else.
TEST(LedgerModel, TablesOfManySizes) {
  const ProbeTagger tagger({1, 2}, {3, 4}, {61440, 65535});
  for (const uint32_t count : {400u, 511u, 512u, 513u, 3000u, 20'000u}) {
    std::mt19937 random(count);
    ProbeLedger ledger(tagger, count);
    const MonoTime now{1000s};
    std::vector<Probe> probes;
    for (int round = 0; round < 3; ++round) {
      while (ledger.in_flight() < count) {
        const ProbeTry attempt =
            std::array{kEcho, kHttps, kUdpTrace}[static_cast<size_t>(random() % 3)];
        probes.push_back(*ledger.Open(V4(0xc6330000 + static_cast<uint32_t>(random() % 256)), 0,
                                      attempt, 0, {}, now));
      }
      std::shuffle(probes.begin(), probes.end(), random);
      // Half of them end, and are forgotten because others come.
      for (size_t i = count / 2; i < count; ++i) {
        ledger.Close(probes[i].id, now);
      }
      std::vector<Probe> ended(probes.begin() + static_cast<ptrdiff_t>(count / 2), probes.end());
      probes.resize(count / 2);
      while (ledger.in_flight() < count) {
        probes.push_back(
            *ledger.Open(V4(0x0b000000 + static_cast<uint32_t>(random())), 0, kHttps, 0, {}, now));
      }
      const uint64_t accepted = ledger.counts().accepted;
      for (const Probe& probe : probes) {
        const auto match =
            ledger.OnAnswer(RedirectTo(probe, Ip("203.0.113.1"), Ip("203.0.113.2")), now);
        ASSERT_TRUE(match || round > 0);
        ASSERT_TRUE(!match || match->probe_id == probe.id);
      }
      ASSERT_GT(ledger.counts().accepted, accepted);
      for (const Probe& probe : ended) {
        Answer quote = RedirectTo(probe, Ip("203.0.113.1"), Ip("203.0.113.2"));
        quote.tag.reset();
        ASSERT_FALSE(ledger.OnAnswer(quote, now));
      }
    }
  }
}

}  // namespace
}  // namespace parallax::sensor
