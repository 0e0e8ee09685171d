// parallax_plain_once: sends a few probes by the unprivileged port alone, and prints a JSON line
// for each answer that the ledger accepts, and one with the counts. For tests/e2e only; knows no
// policy.
//
//   parallax_plain_once icmp|tcp:PORT|udp:PORT TARGET [--count N] [--flows N] [--ttl FIRST[-LAST]]
//                       [--wait MS] [--spacing MS] [--stall MS]
//   parallax_plain_once missing
//
// The probes leave at once, or `spacing` apart, and are waited for until `wait` after the last one.
// --stall: after the last send, do nothing for so long, as a process that gets no CPU does.
#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "common/ip.h"
#include "common/siphash.h"
#include "sensor/probe/ports/plain_port.h"
#include "sensor/probe/wire/ledger.h"
#include "sensor/probe/wire/tagger.h"
#include "tests/unit/sensor/probe/wire/answer_names.h"

namespace {

using namespace parallax;
using namespace parallax::sensor;

constexpr const char* kName = "parallax_plain_once";

struct Arguments {
  ProbeTry attempt;
  IpAddress target;
  int count = 1;
  int flows = 1;
  int first_ttl = 0;
  int last_ttl = 0;
  Duration wait = std::chrono::milliseconds(1000);
  Duration spacing{};
  Duration stall{};
};

int Number(std::string_view text) {
  int value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

Result<Arguments> Parse(int argc, char** argv) {
  Arguments result;
  const std::string_view method = argc > 1 ? argv[1] : "";
  const auto target = IpAddress::Parse(argc > 2 ? argv[2] : "");
  if (!target) {
    return Fail(ErrorCode::kUsage, "usage: METHOD[:PORT] TARGET [--OPTION VALUE]...");
  }
  result.target = *target;
  if (method.starts_with("tcp:") || method.starts_with("udp:")) {
    result.attempt.method = method[0] == 't' ? ProbeMethod::kTcpSyn : ProbeMethod::kUdp;
    result.attempt.port = static_cast<uint16_t>(Number(method.substr(4)));
  } else if (method != "icmp") {
    return Fail(ErrorCode::kUsage, "the method is icmp, tcp:PORT or udp:PORT");
  }
  for (int i = 3; i + 1 < argc; i += 2) {
    const std::string_view option = argv[i];
    const std::string_view value = argv[i + 1];
    const std::chrono::milliseconds time(Number(value));
    if (option == "--count") {
      result.count = Number(value);
    } else if (option == "--flows") {
      result.flows = Number(value);
    } else if (option == "--ttl") {
      result.first_ttl = Number(value);
      const size_t dash = value.find('-');
      result.last_ttl =
          dash == std::string_view::npos ? result.first_ttl : Number(value.substr(dash + 1));
    } else if (option == "--wait") {
      result.wait = time;
    } else if (option == "--spacing") {
      result.spacing = time;
    } else if (option == "--stall") {
      result.stall = time;
    } else {
      return Fail(ErrorCode::kUsage, fmt::format("unknown option {}", option));
    }
  }
  return result;
}

std::string_view Name(const Answer& answer) {
  return answer.kind == AnswerKind::kError ? test::Name(answer.meaning) : test::Name(answer.kind);
}

class Run {
 public:
  Run(const Arguments& arguments, PlainPort& port)
      : arguments_(arguments),
        port_(port),
        tagger_(ProcessHashKey(), ProcessHashKey(), {61440, 65535}, {1000, 1063}),
        ledger_(tagger_, 4096) {}

  void Send(uint16_t flow, int ttl) {
    ProbeTry attempt = arguments_.attempt;
    attempt.flow = flow;
    const auto probe = ledger_.Open(arguments_.target, 0, attempt, static_cast<uint8_t>(ttl),
                                    ProbeOwner{.serial = ++serial_}, Now().mono);
    if (!probe) {
      return;
    }
    std::vector<SendOutcome> outcomes;
    port_.Send({&*probe, 1}, outcomes);
    const SendOutcome& outcome = outcomes.front();
    if (outcome.error != 0) {
      errors_.push_back(outcome.error);
      ledger_.Close(probe->id, Now().mono);
    } else {
      ++sent_;
      ledger_.SetSent(probe->id, outcome.left);
    }
  }

  void WaitUntil(MonoTime end) {
    for (MonoTime now = Now().mono; now < end; now = Now().mono) {
      pollfd wait{port_.descriptors().front(), POLLIN, 0};
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - now);
      poll(&wait, 1, static_cast<int>(left.count()));
      ++wakes_;
      while (port_.Receive([this](const Answer& answer, MonoTime at) { OnAnswer(answer, at); })) {
      }
    }
  }

  void Print() const {
    const AnswerCounts& counts = ledger_.counts();
    fmt::print(
        R"({{"sent":{},"errors":[{}],"accepted":{},"late":{},"duplicate":{},"forged":{},"foreign":{},"repeated":{},"off_flow":{},"open":{},"wakes":{}}})"
        "\n",
        sent_, fmt::join(errors_, ","), counts.accepted, counts.late, counts.duplicate,
        counts.forged, counts.foreign, port_.connects().repeated(), port_.connects().off_flow(),
        port_.connects().size(), wakes_);
  }

 private:
  void OnAnswer(const Answer& answer, MonoTime received) {
    const auto match = ledger_.OnAnswer(answer, received);
    if (!match) {
      return;
    }
    std::string labels;
    for (size_t i = 0; i < answer.mpls.count; ++i) {
      labels += fmt::format("{}{}", i == 0 ? "" : ",", answer.mpls.labels[i].label);
    }
    fmt::print(
        R"({{"answer":"{}","source":"{}","serial":{},"probe_ttl":{},"rtt_ms":{:.3f},"ttl":{},"type":{},"code":{},"this_host":{},"nat":{},"tag":{},"gateway":"{}","mpls":[{}]}})"
        "\n",
        Name(answer), answer.source.ToString(), match->owner.serial, match->ttl,
        ToMillis(match->rtt), answer.ttl, answer.icmp_type, answer.icmp_code,
        answer.kind == AnswerKind::kError && answer.from_this_host(), match->nat,
        answer.tag.has_value(),
        answer.kind == AnswerKind::kRedirect ? answer.gateway.ToString() : "", labels);
  }

  const Arguments& arguments_;
  PlainPort& port_;
  const ProbeTagger tagger_;
  ProbeLedger ledger_;
  std::vector<int> errors_;
  int sent_ = 0;
  uint64_t serial_ = 0;
  uint64_t wakes_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  auto port = PlainPort::Open(ProbeText("test@example.net"));
  if (!port) {
    return static_cast<int>(ReportFailure(kName, port.error()));
  }
  if (argc > 1 && std::string_view(argv[1]) == "missing") {
    for (const std::string& line : (*port)->Missing()) {
      fmt::print("{}\n", line);
    }
    return 0;
  }
  const auto arguments = Parse(argc, argv);
  if (!arguments) {
    return static_cast<int>(ReportFailure(kName, arguments.error()));
  }
  Run run(*arguments, **port);
  for (int ttl = arguments->first_ttl; ttl <= arguments->last_ttl; ++ttl) {
    for (int flow = 0; flow < arguments->flows; ++flow) {
      for (int i = 0; i < arguments->count; ++i) {
        run.Send(static_cast<uint16_t>(flow), ttl);
        run.WaitUntil(Now().mono + arguments->spacing);
      }
    }
  }
  std::this_thread::sleep_for(arguments->stall);
  run.WaitUntil(Now().mono + arguments->wait);
  run.Print();
  return 0;
}
