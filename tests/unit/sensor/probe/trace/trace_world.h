// A trace client with its world, for tests: a simulated network, virtual time, and the real gate
// and ledger.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "sensor/probe/trace/trace_client.h"
#include "tests/unit/sensor/probe/sim_net.h"

namespace parallax::sensor::test {

using namespace std::chrono_literals;

inline constexpr ProbeTry kIcmpTry{ProbeMethod::kIcmpEcho, 0, 0};
inline constexpr ProbeTry kTcpTry{ProbeMethod::kTcpSyn, 443, 0};
inline constexpr ProbeTry kUdpTry{ProbeMethod::kUdp, 33434, 0};

inline Policy TracePolicy(double per_target = 10'000) {
  Policy policy;
  policy.packets_per_second = 10'000;
  policy.per_prefix_per_second = 10'000;
  policy.per_target_per_second = per_target;
  for (const char* text : {"0.0.0.0/0", "::/0", "10.0.0.0/8", "198.51.100.0/24", "2001:db8::/32"}) {
    policy.allow.Add(*Prefix::Parse(text));
  }
  return policy;
}

struct TraceWorld {
  explicit TraceWorld(const Policy& policy = TracePolicy(), size_t most_at_once = 64)
      : ledger(tagger, 10'000), gate(ledger, policy), client(gate, most_at_once) {}

  struct Sent {
    Probe probe;
    Duration at{};
  };

  void At(Duration after, std::function<void()> event) {
    events.emplace(now.mono + after, std::move(event));
  }

  // Runs until the client is done, or so long.
  void Run(Duration most = 600s) {
    const MonoTime end = now.mono + most;
    for (int idle = 0; !client.done() && now.mono < end && idle < 1000; ++idle) {
      std::vector<ProbeSend> sends;
      client.Advance(now, 64, sends);
      ASSERT_LE(sends.size(), 64u);
      for (const ProbeSend& send : sends) {
        ASSERT_EQ(send.owner.kind, ProbeOwner::Kind::kTrace);
        sent.push_back({send.probe, now.mono - start});
        if (const int error = SendErrorFor(send.probe); error != 0) {
          client.OnSendError(send.owner, error, now);
          continue;
        }
        for (const SimNet::Delivery& delivery : net.Send(send.probe, now.mono)) {
          arrivals.emplace(now.mono + delivery.after, delivery.answer);
        }
      }
      client.TakeResults(fresh);
      for (TraceResult& result : fresh) {
        results.push_back(std::move(result));
      }
      const auto deadline = client.NextDeadline();
      MonoTime next = end;
      if (deadline) {
        next = std::min(next, *deadline);
      }
      if (!arrivals.empty()) {
        next = std::min(next, arrivals.begin()->first);
      }
      if (!events.empty()) {
        next = std::min(next, events.begin()->first);
      }
      if (next > now.mono) {
        now = now + (next - now.mono);
        idle = 0;
      }
      while (!events.empty() && events.begin()->first <= now.mono) {
        const auto event = events.begin()->second;
        events.erase(events.begin());
        event();
      }
      while (!arrivals.empty() && arrivals.begin()->first <= now.mono) {
        const Answer answer = arrivals.begin()->second;
        arrivals.erase(arrivals.begin());
        if (const auto match = ledger.OnAnswer(answer, now.mono)) {
          client.OnAnswer(*match, answer, now);
        }
      }
    }
  }

  // One trace to its end.
  TraceResult Trace(const TraceOrder& order) {
    const size_t before = results.size();
    client.Add(order);
    Run();
    if (results.size() == before) {
      ADD_FAILURE() << "the trace does not end";
      return {};
    }
    return results.back();
  }

  const ProbeTagger tagger{{1, 2}, {3, 4}, {61440, 65535}};
  SimNet net;
  ProbeLedger ledger;
  ProbeGate gate;
  TraceClient client;
  Moment now{MonoTime{1000s}, WallTime{1'700'000'000s}};
  const MonoTime start = now.mono;
  std::function<int(const Probe&)> SendErrorFor = [](const Probe&) { return 0; };
  std::multimap<MonoTime, Answer> arrivals;
  std::multimap<MonoTime, std::function<void()>> events;
  std::vector<Sent> sent;
  std::vector<TraceResult> fresh;
  std::vector<TraceResult> results;
};

inline IpAddress Ip(std::string_view text) { return *IpAddress::Parse(text); }

inline TraceOrder OrderTo(std::string_view target, const ProbeTry& attempt = kIcmpTry) {
  TraceOrder order;
  order.id = 42;
  order.target = Ip(target);
  order.attempt = attempt;
  return order;
}

// The hops in short: "10.0.0.1 10.0.0.2|10.0.0.3 * 198.51.100.7".
inline std::string Short(const Path& path) {
  std::string text;
  for (const PathHop& hop : path.hops) {
    text += text.empty() ? "" : " ";
    text += hop.nodes.empty() ? "*" : "";
    for (size_t i = 0; i < hop.nodes.size(); ++i) {
      text += (i == 0 ? "" : "|") + hop.nodes[i].address.ToString();
    }
  }
  return text;
}

}  // namespace parallax::sensor::test
