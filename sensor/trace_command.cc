#include "sensor/trace_command.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "common/fd.h"
#include "common/log.h"
#include "sensor/probe/trace/trace_client.h"
#include "sensor/probe_tools.h"
#include "sensor/standard_output.h"
#include "sensor/trace_text.h"

namespace parallax::sensor {
namespace {

constexpr const char* kProgram = "parallax-sensor";
constexpr Duration kRedrawEvery = std::chrono::milliseconds(200);
constexpr size_t kLedgerProbes = 1 << 15;
// Orders handed to the client ahead of their turn, so that a large prefix is no large list.
constexpr uint64_t kAhead = 256;

// The unfinished traces at the bottom of the terminal, in place.
class LiveTable {
 public:
  explicit LiveTable(bool wanted) : wanted_(wanted && isatty(STDOUT_FILENO) == 1) {}

  bool IsDue(MonoTime now) const { return wanted_ && now >= next_; }

  void Draw(const std::vector<TraceSnapshot>& traces, MonoTime now, std::string& out) {
    next_ = now + kRedrawEvery;
    Erase(out);
    std::string text;
    for (const TraceSnapshot& trace : traces) {
      TraceText::Table(trace.path, text);
    }
    // What does not fit would scroll away and could not be erased.
    winsize size{};
    const size_t room =
        ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 2 ? size.ws_row - 2u : 22u;
    size_t at = 0;
    for (lines_ = 0; lines_ < room && at < text.size(); ++lines_) {
      const size_t end = text.find('\n', at);
      // A line that is too wide would take two.
      out.append(text, at, std::min(end - at, size.ws_col > 0 ? size_t{size.ws_col} : end - at));
      out += '\n';
      at = end + 1;
    }
  }

  void Erase(std::string& out) {
    if (lines_ > 0) {
      out += fmt::format("\x1b[{}A\x1b[J", lines_);
      lines_ = 0;
    }
  }

 private:
  const bool wanted_;
  MonoTime next_ = MonoTime::min();
  size_t lines_ = 0;
};

class Session {
 public:
  Session(const TraceCommandOptions& options, std::optional<TransitHop> past, Targets targets,
          std::unique_ptr<ProbeTools> tools)
      : options_(options),
        past_(std::move(past)),
        targets_(std::move(targets)),
        tools_(std::move(tools)),
        client_(tools_->gate()),
        text_(options.probe.output),
        live_(options.probe.output == ProbeOutput::kTable) {
    tools_->loop().Add(ProbeOwner::Kind::kTrace, client_);
  }

  int Run() {
    const MonoTime start = Now().mono;
    text_.Header(output_.text());
    ProbeLoop& loop = tools_->loop();
    while (finished_ < targets_.list.size() && !Interrupted() && !output_.broken()) {
      Feed();
      const bool more = loop.Turn();
      const MonoTime now = Now().mono;
      Print();
      if (live_.IsDue(now)) {
        live_.Draw(client_.Unfinished(), now, output_.text());
      }
      output_.Flush();
      if (!more && finished_ < targets_.list.size()) {
        loop.Wait(-1, now + kRedrawEvery);
      }
    }
    if (Interrupted()) {  // what there is of the rest
      live_.Erase(output_.text());
      for (TraceSnapshot& trace : client_.Unfinished()) {
        TraceResult partial;
        partial.path = std::move(trace.path);
        text_.Record(partial, output_.text());
      }
    }
    output_.Flush();
    if (output_.broken() && output_.error() != EPIPE) {
      return ReportFailure(kProgram,
                           ErrnoError("cannot write to standard output", output_.error()));
    }
    std::fputs(Summary(Now().mono - start).c_str(), stderr);
    return ProbeExitCode(up_, 0, targets_);
  }

 private:
  void Feed() {
    const SweepOptions& how = options_.probe.sweep;
    for (; fed_ < targets_.list.size() && fed_ < finished_ + kAhead; ++fed_) {
      client_.Add({.id = fed_,
                   .target = targets_.list.At(fed_),
                   .attempt = {how.method, how.port},
                   .options = options_.trace,
                   .multipath = options_.multipath,
                   .past = past_});
    }
  }

  void Print() {
    client_.TakeResults(results_);
    if (!results_.empty()) {
      live_.Erase(output_.text());
    }
    for (const TraceResult& result : results_) {
      ++finished_;
      const SweepState state = StateOf(result.path);
      const bool up = result.transit ? result.transit->verdict == TransitVerdict::kProven
                                     : state == SweepState::kUp || state == SweepState::kLossy;
      up_ += up ? 1 : 0;
      if (result.transit && result.transit->hop_ttl > 0) {
        past_->hint = result.transit->hop_ttl;
      }
      text_.Record(result, output_.text());
    }
  }

  std::string Summary(Duration took) const {
    std::string text = fmt::format("{} target{}: {} {}\n", targets_.list.size(),
                                   targets_.list.size() == 1 ? "" : "s", up_,
                                   past_ ? "proven to be sent on past the hop" : "reached");
    text += tools_->Summary(took);
    return text;
  }

  const TraceCommandOptions& options_;
  std::optional<TransitHop> past_;
  const Targets targets_;
  std::unique_ptr<ProbeTools> tools_;
  TraceClient client_;
  TraceText text_;
  LiveTable live_;
  StandardOutput output_;
  std::vector<TraceResult> results_;
  uint64_t fed_ = 0;
  uint64_t finished_ = 0;
  uint64_t up_ = 0;
};

}  // namespace

int RunTraceCommand(const TraceCommandOptions& options) {
  InitLog(LogLevel::kWarning);
  auto targets = TargetsOf(options.probe);
  if (!targets) {
    return ReportFailure(kProgram, targets.error());
  }
  std::optional<TransitHop> past;
  for (const std::string& word : options.past) {
    const auto hop = IpAddress::Parse(word);
    if (!hop) {
      return ReportFailure(kProgram, {ErrorCode::kUsage, word + ": not the address of a hop"});
    }
    past = past ? past : std::optional<TransitHop>(std::in_place);
    past->addresses.push_back(*hop);
  }
  auto tools = OpenTools(options.probe, options.multipath ? options.multipath->most_flows : 1,
                         kLedgerProbes, 0);
  if (!tools) {
    return ReportFailure(kProgram, tools.error());
  }
  CatchSignals();
  return Session(options, std::move(past), std::move(*targets), std::move(*tools)).Run();
}

}  // namespace parallax::sensor
