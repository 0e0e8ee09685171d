#include "sensor/capture_command.h"

#include <errno.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <iterator>

#include "common/fd.h"
#include "common/log.h"
#include "common/result.h"
#include "sensor/capture/live_capture.h"
#include "sensor/capture/pcap_file.h"
#include "sensor/capture/record_text.h"
#include "sensor/observe/attempt_tracker.h"
#include "sensor/observe/top_talkers.h"

namespace parallax::sensor {
namespace {

constexpr const char* kProgram = "parallax-sensor";
constexpr size_t kWriteAt = size_t{1} << 18;  // bytes
constexpr size_t kTopSources = 5;
constexpr size_t kFileAttempts = size_t{1} << 18;

std::atomic<bool> g_stop{false};
static_assert(std::atomic<bool>::is_always_lock_free);

void OnSignal(int) { g_stop.store(true, std::memory_order_relaxed); }

void InstallSignalHandlers() {
  g_stop = false;
  struct sigaction action {};
  action.sa_handler = OnSignal;  // no SA_RESTART: a blocking read of a pipe ends too
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

// Standard output in large writes.
class Output {
 public:
  std::string& text() { return text_; }
  void FlushIfLarge() {
    if (text_.size() >= kWriteAt) {
      Flush();
    }
  }
  void Flush() {
    for (size_t at = 0; at < text_.size() && error_ == 0;) {
      const ssize_t written = write(STDOUT_FILENO, text_.data() + at, text_.size() - at);
      if (written >= 0) {
        at += static_cast<size_t>(written);
      } else if (errno != EINTR) {
        error_ = errno;
      }
    }
    text_.clear();
  }
  bool broken() const { return error_ != 0; }
  int error() const { return error_; }

 private:
  std::string text_;
  int error_ = 0;
};

class Session {
 public:
  explicit Session(const CaptureCommandOptions& options)
      : options_(options),
        tracker_({.entries = FromFile() ? kFileAttempts : AttemptTrackerOptions{}.entries,
                  .key = RandomHashKey(),
                  .report_at_end = FromFile()}),
        sources_(RandomHashKey()) {}

  int Run() {
    const Result<void> result = FromFile() ? ReadFile() : CaptureLive();
    output_.Flush();
    if (output_.broken() && output_.error() != EPIPE) {
      return ReportFailure(kProgram,
                           ErrnoError("cannot write to standard output", output_.error()));
    }
    if (started_) {
      PrintSummary();
    }
    if (!result) {
      const int code = ReportFailure(kProgram, result.error());
      return started_ ? static_cast<int>(ExitCode::kPartial) : code;
    }
    return static_cast<int>(ExitCode::kOk);
  }

 private:
  bool FromFile() const { return !options_.read_file.empty(); }
  bool Enough() const {
    return output_.broken() || g_stop.load(std::memory_order_relaxed) ||
           (options_.count > 0 && records_ >= options_.count);
  }

  void Start() {
    started_ = true;
    if (options_.output == CaptureOutput::kTable) {
      options_.handshakes ? text_.AttemptHeader(output_.text())
                          : text_.SegmentHeader(output_.text());
      output_.Flush();
    }
  }

  Result<void> ReadFile() {
    auto file = PcapFile::Open(options_.read_file);
    if (!file) {
      return tl::make_unexpected(file.error());
    }
    Start();
    struct stat status {};
    const bool waits = options_.read_file == "-" ||
                       stat(options_.read_file.c_str(), &status) != 0 || !S_ISREG(status.st_mode);
    PcapFile::Frame frame;
    WallTime last;
    while (!Enough()) {
      const Result<bool> more = file->Next(frame);
      if (!more && g_stop.load(std::memory_order_relaxed)) {
        break;
      }
      if (!more || !*more) {
        Finish(MonoTime(last.time_since_epoch()));
        if (!more) {
          return tl::make_unexpected(more.error());
        }
        return {};
      }
      frames_ = frame.number;
      last = frame.stamp;
      // The file's own time drives the tracker, frames without a SYN included.
      const MonoTime now(frame.stamp.time_since_epoch());
      const auto segment = DecodeSegment(file->link_type(), frame.captured, frame.wire_length);
      if (options_.handshakes) {
        Advance(now);
      }
      if (segment) {
        Take({.segment = *segment,
              .stamp = frame.stamp,
              .seen = now,
              .interface = {},
              .frame = frame.number,
              .wire_length = frame.wire_length});
        if (waits) {
          output_.Flush();  // somebody upstream is still writing
        }
      }
    }
    Finish(MonoTime(last.time_since_epoch()));
    return {};
  }

  Result<void> CaptureLive() {
    auto capture = LiveCapture::Open(
        {.interfaces = options_.interfaces,
         .scope = options_.handshakes ? SegmentScope::kSynOrRst : SegmentScope::kSyn,
         .promiscuous = options_.promiscuous});
    if (!capture) {
      return tl::make_unexpected(capture.error());
    }
    Start();
    fmt::print(stderr, "capturing on {}; Ctrl-C ends it\n", fmt::join(options_.interfaces, ", "));
    (*capture)->Run(
        [this](const CapturedSegment& segment) {
          if (!Enough()) {
            frames_ = segment.frame;
            Take(segment);
          }
        },
        [this](const Moment& now) {
          if (options_.handshakes) {
            Advance(now.mono);
          }
          output_.Flush();
          if (Enough()) {
            g_stop = true;
          }
        },
        g_stop);
    Finish(Now().mono);
    for (const InterfaceHealth& health : (*capture)->Health()) {
      received_ += health.packets_received;
      dropped_ += health.packets_dropped;
    }
    return {};
  }

  void Take(const CapturedSegment& captured) {
    const SynSegment& segment = captured.segment;
    if (options_.handshakes) {
      tracker_.Observe(segment, captured.stamp, captured.seen, captured.interface, attempts_);
      PrintAttempts();
    }
    if (!segment.Has(kTcpSyn)) {
      return;
    }
    if (segment.IsSyn()) {
      ++syns_;
      sources_.Count(segment.src.address);
    } else {
      ++syn_acks_;
    }
    if (!options_.handshakes) {
      options_.output == CaptureOutput::kJsonl ? text_.SegmentJson(captured, output_.text())
                                               : text_.SegmentRow(captured, output_.text());
      ++records_;
      output_.FlushIfLarge();
    }
  }

  void Advance(MonoTime now) {
    for (bool more = true; more && !Enough();) {
      more = tracker_.Advance(now, attempts_);
      PrintAttempts();
    }
  }

  void Finish(MonoTime now) {
    if (options_.handshakes) {
      tracker_.Finish(now, attempts_);
      PrintAttempts();
    }
  }

  void PrintAttempts() {
    for (const Attempt& attempt : attempts_) {
      if (attempt.outcome == AttemptOutcome::kPending ||
          (options_.count > 0 && records_ >= options_.count)) {
        continue;
      }
      options_.output == CaptureOutput::kJsonl ? text_.AttemptJson(attempt, output_.text())
                                               : text_.AttemptRow(attempt, output_.text());
      ++outcomes_[static_cast<size_t>(attempt.outcome)];
      ++records_;
      output_.FlushIfLarge();
    }
    attempts_.clear();
  }

  void PrintSummary() {
    std::string text;
    const auto to = std::back_inserter(text);
    fmt::format_to(to, "{} frames, {} SYN, {} SYN-ACK", frames_, syns_, syn_acks_);
    if (!FromFile()) {
      fmt::format_to(to, "; {} received, {} dropped by the kernel", received_, dropped_);
    }
    text += '\n';
    if (options_.handshakes) {
      text += "attempts:";
      const char* comma = " ";
      for (const AttemptOutcome outcome :
           {AttemptOutcome::kCompleted, AttemptOutcome::kHalfOpen, AttemptOutcome::kUnanswered,
            AttemptOutcome::kRefused, AttemptOutcome::kUnknown}) {
        fmt::format_to(to, "{}{} {}", std::exchange(comma, ", "),
                       outcomes_[static_cast<size_t>(outcome)], ToString(outcome));
      }
      if (const auto evicted = tracker_.stats().evicted; evicted > 0) {
        fmt::format_to(to, "; {} forgotten early (more at once than the table holds)", evicted);
      }
      text += '\n';
    }
    const auto top = sources_.Top(kTopSources);
    if (!top.empty()) {
      text += "most SYNs from:";
      const char* comma = " ";
      for (const auto& talker : top) {
        fmt::format_to(to, "{}{} ({})", std::exchange(comma, ", "), talker.address.ToString(),
                       talker.count);
      }
      text += '\n';
    }
    std::fputs(text.c_str(), stderr);
  }

  const CaptureCommandOptions options_;
  AttemptTracker tracker_;
  TopTalkers sources_;
  RecordText text_;
  Output output_;
  std::vector<Attempt> attempts_;
  bool started_ = false;
  uint64_t frames_ = 0;
  uint64_t records_ = 0;
  uint64_t syns_ = 0;
  uint64_t syn_acks_ = 0;
  uint64_t received_ = 0;
  uint64_t dropped_ = 0;
  std::array<uint64_t, 6> outcomes_{};
};

}  // namespace

int RunCaptureCommand(const CaptureCommandOptions& options) {
  InitLog(LogLevel::kWarning);
  if (options.read_file.empty() == options.interfaces.empty()) {
    return ReportFailure(kProgram,
                         {ErrorCode::kUsage, "capture: name either --read FILE or --interface IF"});
  }
  InstallSignalHandlers();
  return Session(options).Run();
}

}  // namespace parallax::sensor
