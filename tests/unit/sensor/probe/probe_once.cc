// parallax_probe_once: runs the probe engine for one order and prints the report as one JSON line;
// or watches the gateways and prints their state once a second. For tests/e2e only.
//
//   parallax_probe_once [--policy FILE] [--timeout 1s] [--spacing 1s] [--linger 0s] TARGET TRY...
//   parallax_probe_once [--policy FILE] --gateways COUNT
//
// TRY: icmp, tcp:PORT or udp:PORT.
#include <fmt/format.h>

#include <charconv>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "common/result.h"
#include "sensor/probe/policy/policy_file.h"
#include "sensor/probe/policy/special_purpose.h"
#include "sensor/probe/probe_engine.h"

namespace {

using namespace parallax;
using namespace parallax::sensor;

constexpr const char* kName = "parallax_probe_once";

// The networks of the tests are made of special-purpose ranges.
Policy Everything() {
  Policy policy;
  policy.per_prefix_per_second = policy.per_target_per_second = 100;
  std::vector<Prefix> allow = {*Prefix::Parse("0.0.0.0/0"), *Prefix::Parse("::/0")};
  for (const SpecialRange& range : SpecialRanges()) {
    allow.push_back(range.prefix);
  }
  policy.allow = PrefixSet(std::move(allow));
  return policy;
}

struct Arguments {
  Result<Policy> policy = Everything();
  ProbeOrder order;
  int gateways = 0;
  Duration linger{};
};

Result<Arguments> Parse(int argc, char** argv) {
  Arguments arguments;
  arguments.order.id = 1;
  arguments.order.timeout = std::chrono::seconds(1);
  arguments.order.spacing = std::chrono::seconds(1);
  bool target = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const std::string value = i + 1 < argc ? argv[i + 1] : "";
    if (word == "--policy") {
      arguments.policy = LoadPolicy(value);
      ++i;
    } else if (word == "--timeout") {
      arguments.order.timeout = ParseDuration(value).value();
      ++i;
    } else if (word == "--spacing") {
      arguments.order.spacing = ParseDuration(value).value();
      ++i;
    } else if (word == "--linger") {
      arguments.linger = ParseDuration(value).value();
      ++i;
    } else if (word == "--gateways") {
      std::from_chars(value.data(), value.data() + value.size(), arguments.gateways);
      ++i;
    } else if (!target) {
      const auto address = IpAddress::Parse(word);
      if (!address) {
        return Fail(ErrorCode::kUsage, fmt::format("{} is not an address", word));
      }
      arguments.order.target = *address;
      target = true;
    } else if (word == "icmp") {
      arguments.order.tries.push_back({ProbeMethod::kIcmpEcho, 0});
    } else if (word.starts_with("tcp:") || word.starts_with("udp:")) {
      uint16_t port = 0;
      std::from_chars(word.data() + 4, word.data() + word.size(), port);
      arguments.order.tries.push_back(
          {word[0] == 't' ? ProbeMethod::kTcpSyn : ProbeMethod::kUdp, port});
    } else {
      return Fail(ErrorCode::kUsage, fmt::format("{}: not icmp, tcp:PORT or udp:PORT", word));
    }
  }
  return arguments;
}

std::string ToJson(const ProbeReport& report) {
  std::string tries;
  for (const ProbeTryResult& t : report.tries) {
    tries += fmt::format(
        R"({}{{"method":"{}","port":{},"state":"{}","rtt_ms":{:.3f},"reporter":"{}","icmp_type":{},"icmp_code":{},"detail":"{}"}})",
        tries.empty() ? "" : ",", ToString(t.attempt.method), t.attempt.port, ToString(t.state),
        ToMillis(t.rtt), t.reporter ? t.reporter->ToString() : "", t.icmp_type, t.icmp_code,
        t.detail);
  }
  return fmt::format(R"({{"target":"{}","state":"{}","age_ms":{:.1f},"tries":[{}])",
                     report.target.ToString(), ToString(report.tries.back().state),
                     ToMillis(report.age), tries);
}

std::string ToJson(const AnswerCounts& counts) {
  return fmt::format(R"({{"accepted":{},"late":{},"duplicate":{},"forged":{},"foreign":{}}})",
                     counts.accepted, counts.late, counts.duplicate, counts.forged, counts.foreign);
}

std::string_view Name(Reach reach) {
  return reach == Reach::kUp ? "up" : reach == Reach::kDown ? "down" : "unknown";
}

}  // namespace

int main(int argc, char** argv) {
  auto arguments = Parse(argc, argv);
  if (!arguments) {
    return static_cast<int>(ReportFailure(kName, arguments.error()));
  }
  ProbeEngineOptions options;
  if (arguments->policy) {
    options.policy = std::move(*arguments->policy);
  } else {
    options.policy_problem = arguments->policy.error().message;
  }
  const bool has_policy = options.policy.has_value();
  options.flow_key = StableFlowKey("probe_once");
  auto engine = ProbeEngine::Open(std::move(options));
  if (!engine) {
    return static_cast<int>(ReportFailure(kName, engine.error()));
  }
  if (const ProbeHealth health = (*engine)->Health(); has_policy && !health.probing) {
    return static_cast<int>(ReportFailure(kName, {ErrorCode::kPermission, health.problem}));
  }
  std::mutex mutex;
  std::condition_variable done;
  bool reported = false;
  std::string line;
  std::jthread thread([&](std::stop_token stop) {
    (*engine)->Run(
        [&](const Record& record) {
          std::lock_guard lock(mutex);
          line = ToJson(std::get<ProbeReport>(record));
          reported = true;
          done.notify_all();
        },
        stop);
  });
  for (int i = 0; i < arguments->gateways; ++i) {
    std::this_thread::sleep_for(std::chrono::seconds(1));
    const ProbeHealth health = (*engine)->Health();
    std::string text;
    for (const GatewayHealth& gateway : health.gateways) {
      text += fmt::format("{}{}={}", text.empty() ? "" : " ", gateway.address.ToString(),
                          Name(gateway.reach));
    }
    fmt::print("{}\n", text.empty() ? "none" : text);
    std::fflush(stdout);
  }
  if (arguments->gateways == 0) {
    (*engine)->Submit(arguments->order);
    std::unique_lock lock(mutex);
    if (!done.wait_for(lock, std::chrono::seconds(30), [&] { return reported; })) {
      return static_cast<int>(
          ReportFailure(kName, {ErrorCode::kUnavailable, "no report within 30 s"}));
    }
    lock.unlock();
    std::this_thread::sleep_for(arguments->linger);
    const ProbeHealth health = (*engine)->Health();
    fmt::print("{},\"probing\":{},\"answers\":{}}}\n", line, health.probing,
               ToJson(health.answers));
  }
  return 0;
}
