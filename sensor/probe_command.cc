#include "sensor/probe_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "common/fd.h"
#include "common/log.h"
#include "common/result.h"
#include "sensor/probe_tools.h"
#include "sensor/standard_output.h"

namespace parallax::sensor {
namespace {

constexpr const char* kProgram = "parallax-sensor";
constexpr Duration kProgressEvery = std::chrono::milliseconds(500);
constexpr Duration kFlushEvery = std::chrono::milliseconds(100);

// The file that counts, given what the user said.
std::string PolicyFile(const std::string& given) {
  if (!given.empty()) {
    return given;
  }
  const char* named = std::getenv("PARALLAX_POLICY");
  return named != nullptr && *named != '\0' ? named : kDefaultPolicyFile;
}

// How far it is, on a terminal only.
class Progress {
 public:
  void Show(const SweepProgress& progress, MonoTime now) {
    if (!terminal_ || now < next_) {
      return;
    }
    next_ = now + kProgressEvery;
    shown_ = true;
    std::fputs(fmt::format("\r\x1b[K{} of {} targets, {} up, {} probes sent", progress.finished,
                           progress.targets, progress.up, progress.sent)
                   .c_str(),
               stderr);
  }
  void End() {
    if (std::exchange(shown_, false)) {
      std::fputs("\r\x1b[K", stderr);
    }
  }

 private:
  const bool terminal_ = isatty(STDERR_FILENO) == 1;
  MonoTime next_ = Now().mono + kProgressEvery;
  bool shown_ = false;
};

class Session {
 public:
  Session(const ProbeCommandOptions& options, Targets targets, std::unique_ptr<ProbeTools> tools)
      : options_(options),
        targets_(std::move(targets)),
        tools_(std::move(tools)),
        sweep_(tools_->gate(), targets_.list, options.sweep, RandomHashKey()),
        text_(options.output, options.sweep, targets_.list.AnyV6()) {
    tools_->loop().Add(ProbeOwner::Kind::kSweep, sweep_);
  }

  int Run() {
    const MonoTime start = Now().mono;
    text_.Header(output_.text());
    ProbeLoop& loop = tools_->loop();
    while (!sweep_.done() && !Interrupted() && !output_.broken()) {
      const bool more = loop.Turn();
      Print();
      const MonoTime now = Now().mono;
      progress_.Show(sweep_.progress(), now);
      if (now >= next_flush_) {
        Flush();
        next_flush_ = now + kFlushEvery;
      }
      if (!more && !sweep_.done()) {
        loop.Wait(-1, next_flush_);
      }
    }
    if (Interrupted()) {
      sweep_.FinishAsked();
      Print();
    }
    progress_.End();
    output_.Flush();
    if (output_.broken() && output_.error() != EPIPE) {
      return ReportFailure(kProgram,
                           ErrnoError("cannot write to standard output", output_.error()));
    }
    std::fputs(Summary(Now().mono - start).c_str(), stderr);
    const uint64_t partial = states_[static_cast<size_t>(SweepState::kPartial)];
    return ProbeExitCode(sweep_.progress().up, partial, targets_);
  }

 private:
  void Flush() {
    if (!output_.text().empty()) {
      progress_.End();  // rows and progress share the terminal
      output_.Flush();
    }
  }

  void Print() {
    sweep_.TakeResults(results_);
    for (const SweepResult& result : results_) {
      ++states_[static_cast<size_t>(result.state)];
      if (!first_bad_ && result.state != SweepState::kUp && result.state != SweepState::kRefused) {
        first_bad_ = result.target;
      }
      text_.Record(result, output_.text());
      if (output_.large()) {
        Flush();
      }
    }
  }

  std::string Summary(Duration took) const {
    const SweepProgress& progress = sweep_.progress();
    std::string states;
    for (size_t i = 0; i < states_.size(); ++i) {
      if (states_[i] > 0) {
        states += fmt::format("{}{} {}", states.empty() ? "" : ", ", states_[i],
                              ToString(static_cast<SweepState>(i)));
      }
    }
    if (progress.finished < progress.targets) {
      states += fmt::format("{}{} not finished", states.empty() ? "" : ", ",
                            progress.targets - progress.finished);
    }
    std::string text = fmt::format("{} target{}: {}\n", progress.targets,
                                   progress.targets == 1 ? "" : "s", states);
    text += tools_->Summary(took);
    if (first_bad_) {
      text += fmt::format("Next: parallax-sensor probe trace {}\n", first_bad_->ToString());
    }
    return text;
  }

  const ProbeCommandOptions& options_;
  const Targets targets_;
  std::unique_ptr<ProbeTools> tools_;
  Sweep sweep_;
  SweepText text_;
  StandardOutput output_;
  MonoTime next_flush_ = MonoTime::min();
  Progress progress_;
  std::vector<SweepResult> results_;
  std::array<uint64_t, kSweepStates> states_{};
  std::optional<IpAddress> first_bad_;
};

}  // namespace

Result<std::unique_ptr<ProbeTools>> OpenTools(const ProbeCommandOptions& options, uint32_t flows,
                                              size_t most_in_flight, uint64_t probes) {
  auto tools = ProbeTools::Open({.policy_file = PolicyFile(options.policy_file),
                                 .rate = options.rate,
                                 .method = options.sweep.method,
                                 .flows = flows,
                                 .unprivileged = options.unprivileged,
                                 .most_in_flight = most_in_flight,
                                 .probes = probes});
  if (tools && !(*tools)->notice().empty()) {
    std::fputs(((*tools)->notice() + "\n").c_str(), stderr);
  }
  return tools;
}

Result<Targets> TargetsOf(const ProbeCommandOptions& options) {
  auto targets = ReadTargets(options.targets);
  for (const std::string& problem : targets ? targets->unresolved : std::vector<std::string>()) {
    std::fputs(fmt::format("{}: {}\n", kProgram, problem).c_str(), stderr);
  }
  return targets;
}

int ProbeExitCode(uint64_t up, uint64_t partial, const Targets& targets) {
  return static_cast<int>(up == targets.list.size() + targets.unresolved.size() ? ExitCode::kOk
                          : up + partial > 0                                    ? ExitCode::kPartial
                                             : ExitCode::kFailure);
}

int RunProbeCommand(const ProbeCommandOptions& options) {
  InitLog(LogLevel::kWarning);
  auto targets = TargetsOf(options);
  if (!targets) {
    return ReportFailure(kProgram, targets.error());
  }
  auto tools =
      OpenTools(options, options.sweep.flows, options.sweep.most_in_flight, targets->list.size());
  if (!tools) {
    return ReportFailure(kProgram, tools.error());
  }
  CatchSignals();
  return Session(options, std::move(*targets), std::move(*tools)).Run();
}

}  // namespace parallax::sensor
