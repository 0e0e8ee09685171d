#include "sensor/capture_command.h"

#include <errno.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <optional>
#include <span>
#include <utility>

#include "common/fd.h"
#include "common/log.h"
#include "common/result.h"
#include "sensor/announce/announcement_watch.h"
#include "sensor/announce/offer_reader.h"
#include "sensor/capture/host_counters.h"
#include "sensor/capture/interfaces.h"
#include "sensor/capture/live_capture.h"
#include "sensor/capture/pcap_file.h"
#include "sensor/capture/record_text.h"
#include "sensor/capture/user_filter.h"
#include "sensor/capture_summary.h"
#include "sensor/observe/attempt_tracker.h"
#include "sensor/observe/server_watch.h"
#include "sensor/standard_output.h"

namespace parallax::sensor {
namespace {

constexpr const char* kProgram = "parallax-sensor";
constexpr size_t kFileAttempts = size_t{1} << 18;
constexpr uint64_t kFramesPerLook = 16384;  // at the clock, while reading a file
constexpr size_t kBatch = 64;               // segments that the tracker gets at a time
constexpr Duration kAdvanceEvery = std::chrono::milliseconds(10);

// What the interfaces have; the kernel's counters speak of servers there.
std::vector<IpAddress> OwnAddresses(const CaptureCommandOptions& options) {
  const auto host =
      options.interfaces.empty() ? Result<std::vector<HostInterface>>() : ListInterfaces();
  std::vector<std::string> names = options.interfaces;
  if (host && std::find(names.begin(), names.end(), "any") != names.end()) {
    for (const HostInterface& interface : *host) {
      names.push_back(interface.name);
    }
  }
  return host ? AddressesOf(*host, names) : std::vector<IpAddress>{};
}

class Session {
 public:
  Session(const CaptureCommandOptions& options, std::optional<UserFilter> filter)
      : options_(options),
        filter_(std::move(filter)),
        servers_({.attempts_per_second = 0,
                  .attempts_per_second_total = 0,
                  .addresses = OwnAddresses(options),
                  .key = RandomHashKey()}),
        tracker_({.entries = FromFile() ? kFileAttempts : AttemptTrackerOptions{}.entries,
                  .key = RandomHashKey(),
                  .report_at_end = FromFile()},
                 &servers_) {}

  int Run() {
    const Result<void> result = FromFile() ? ReadFile() : CaptureLive();
    output_.Flush();
    if (output_.broken() && output_.error() != EPIPE) {
      return ReportFailure(kProgram,
                           ErrnoError("cannot write to standard output", output_.error()));
    }
    if (started_) {
      summary_.Tracker(tracker_.stats());
      if (options_.announcements) {
        summary_.Announcements(reader_.counts());
      }
      std::fputs(summary_.Text(options_.handshakes).c_str(), stderr);
    }
    if (!result) {
      const int code = ReportFailure(kProgram, result.error());
      return summary_.frames() > 0 ? static_cast<int>(ExitCode::kPartial) : code;
    }
    return static_cast<int>(ExitCode::kOk);
  }

 private:
  bool FromFile() const { return !options_.read_file.empty(); }
  bool CountReached() const { return options_.count > 0 && records_ >= options_.count; }
  bool Enough() const { return output_.broken() || Interrupted() || CountReached(); }

  void Start() {
    started_ = true;
    if (options_.output == CaptureOutput::kTable) {
      options_.handshakes      ? text_.AttemptHeader(output_.text())
      : options_.announcements ? text_.AnnouncementHeader(output_.text())
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
    file->BeforeWaiting([this] { output_.Flush(); });
    CaptureProgress progress(options_.read_file == "-" ? "standard input" : options_.read_file,
                             file->size(), isatty(STDERR_FILENO) == 1, Now().mono);
    const SegmentScope scope = options_.handshakes ? SegmentScope::kAll : SegmentScope::kSyn;
    PcapFile::Frame frame;
    Moment last;
    Result<bool> more = true;
    while (!Enough() && (more = file->Next(frame)) && *more) {
      summary_.Frame(frame.stamp);
      // The file's own time drives the tracker, frames without a SYN included.
      last = {MonoTime(frame.stamp.time_since_epoch()), frame.stamp};
      if (options_.handshakes) {
        Advance(last);
      }
      options_.announcements ? ReadAnnouncement(frame) : ReadSegment(frame, scope, last.mono);
      if (frame.number % kFramesPerLook == 0) {
        std::fputs(progress.Update(file->position(), summary_, Now().mono).c_str(), stderr);
      }
    }
    std::fputs(progress.End().c_str(), stderr);
    Finish(last);
    if (!more && !Interrupted()) {  // a signal ends a read with an error
      return tl::make_unexpected(more.error());
    }
    return {};
  }

  bool Matches(const PcapFile::Frame& frame) const {
    return !filter_ || filter_->Matches(frame.link_type, frame.captured, frame.wire_length);
  }

  void ReadSegment(const PcapFile::Frame& frame, SegmentScope scope, MonoTime seen) {
    CapturedSegment& next = batch_[waiting_];
    if (const auto skip =
            DecodeInto(frame.link_type, frame.captured, frame.wire_length, scope, next.segment)) {
      summary_.Skipped(*skip);
    } else if (!Matches(frame)) {
      summary_.FilteredOut();
    } else {
      next.stamp = frame.stamp;
      next.seen = seen;
      next.interface = frame.interface;
      next.frame = frame.number;
      next.wire_length = frame.wire_length;
      TakeNext();
    }
  }

  void ReadAnnouncement(const PcapFile::Frame& frame) {
    const auto packet = FindAnnouncement(frame.link_type, frame.captured, frame.wire_length);
    if (packet && !Matches(frame)) {
      summary_.FilteredOut();
    } else if (packet) {
      PrintOffers({.packet = *packet,
                   .stamp = frame.stamp,
                   .seen = {},
                   .interface = frame.interface,
                   .frame = frame.number});
    }
  }

  Result<void> CaptureLive() {
    auto capture = LiveCapture::Open(
        {.interfaces = options_.interfaces,
         .scope = options_.handshakes ? SegmentScope::kSynOrRst : SegmentScope::kSyn,
         .announcements =
             options_.announcements ? AnnouncementScope::kAll : AnnouncementScope::kNone,
         .promiscuous = options_.promiscuous,
         .filter = filter_ ? &*filter_ : nullptr});
    if (!capture) {
      return tl::make_unexpected(capture.error());
    }
    Start();
    std::fputs(
        fmt::format("capturing on {}; Ctrl-C ends it\n", fmt::join(options_.interfaces, ", "))
            .c_str(),
        stderr);
    std::atomic<bool> stop = false;
    (*capture)->Run({.segment =
                         [this](const CapturedSegment& segment) {
                           if (!options_.announcements && !output_.broken() && !CountReached()) {
                             summary_.Frame(segment.stamp);
                             batch_[waiting_] = segment;
                             TakeNext();
                           }
                         },
                     .loss =
                         [this](const CaptureLoss& loss) {
                           Flush();
                           tracker_.NoteLoss(loss.concerns(), loss.until);
                         },
                     .idle =
                         [this, &stop](const Moment& now) {
                           if (options_.handshakes) {
                             Advance(now);
                           }
                           output_.Flush();
                           stop = Enough();
                         },
                     .announcement =
                         [this](const CapturedAnnouncement& captured) {
                           if (!output_.broken() && !CountReached()) {
                             summary_.Frame(captured.stamp);
                             PrintOffers(captured);
                           }
                         }},
                    stop);
    Finish(Now());
    for (const InterfaceHealth& health : (*capture)->Health()) {
      summary_.Kernel(health.packets_received, health.packets_dropped);
    }
    return {};
  }

  // What stands in the next place of the batch.
  void TakeNext() {
    const CapturedSegment& captured = batch_[waiting_];
    const SynSegment& segment = captured.segment;
    summary_.Segment(segment);
    if (options_.handshakes) {
      if (++waiting_ == batch_.size()) {
        Flush();
      }
    } else if (segment.Has(kTcpSyn)) {
      options_.output == CaptureOutput::kJsonl ? text_.SegmentJson(captured, output_.text())
                                               : text_.SegmentRow(captured, output_.text());
      ++records_;
      output_.FlushIfLarge();
    }
  }

  void Flush() {
    if (waiting_ > 0) {
      tracker_.Observe(std::span(batch_).first(waiting_), attempts_);
      PrintAttempts(batch_[waiting_ - 1].seen);
      waiting_ = 0;
    }
  }

  void Advance(const Moment& now) {
    if (now.mono - advanced_ < kAdvanceEvery && now.mono >= advanced_) {
      return;
    }
    advanced_ = now.mono;
    Flush();
    for (bool more = true; more && !Enough();) {
      more = tracker_.Advance(now.mono, attempts_);
      PrintAttempts(now.mono);
    }
    servers_.Advance(now, FromFile() ? TcpExtCounters{} : counters_.At(now.mono), reports_);
    NoteTroubles();
  }

  void Finish(const Moment& now) {
    if (options_.handshakes) {
      Flush();
      tracker_.Finish(now.mono, attempts_);
      PrintAttempts(now.mono);
      servers_.Finish(now, reports_);
      NoteTroubles();
    }
  }

  void NoteTroubles() {
    for (const ServerReport& report : reports_) {
      summary_.Trouble(report);
    }
    reports_.clear();
  }

  void PrintOffers(const CapturedAnnouncement& captured) {
    offers_.clear();
    reader_.Read(captured.packet, offers_);
    for (const GatewayOffer& offer : offers_) {
      if (CountReached()) {
        break;
      }
      const Announcement announcement = ToAnnouncement(offer, captured);
      const VlanList& vlan = captured.packet.vlan;
      options_.output == CaptureOutput::kJsonl
          ? text_.AnnouncementJson(announcement, captured.frame, vlan, output_.text())
          : text_.AnnouncementRow(announcement, vlan, output_.text());
      ++records_;
      output_.FlushIfLarge();
    }
  }

  void PrintAttempts(MonoTime now) {
    for (const AttemptEvent& event : attempts_) {
      if (event.outcome == AttemptOutcome::kPending || CountReached()) {
        continue;
      }
      servers_.Decided(event, now);
      const Attempt attempt = ToAttempt(event);
      options_.output == CaptureOutput::kJsonl ? text_.AttemptJson(attempt, output_.text())
                                               : text_.AttemptRow(attempt, output_.text());
      summary_.Outcome(event.outcome);
      ++records_;
      output_.FlushIfLarge();
    }
    attempts_.clear();
  }

  const CaptureCommandOptions options_;
  const std::optional<UserFilter> filter_;
  ServerWatch servers_;
  AttemptTracker tracker_;
  OfferReader reader_;
  std::vector<GatewayOffer> offers_;
  CaptureSummary summary_;
  RecordText text_;
  StandardOutput output_;
  std::vector<CapturedSegment> batch_ = std::vector<CapturedSegment>(kBatch);
  size_t waiting_ = 0;  // in the batch, for the tracker
  std::vector<AttemptEvent> attempts_;
  std::vector<ServerReport> reports_;
  MonoTime advanced_;
  HostCounterWatch counters_;
  bool started_ = false;
  uint64_t records_ = 0;
};

}  // namespace

int RunCaptureCommand(const CaptureCommandOptions& options) {
  InitLog(LogLevel::kWarning);
  if (options.read_file.empty() == options.interfaces.empty()) {
    return ReportFailure(kProgram,
                         {ErrorCode::kUsage, "capture: name either --read FILE or --interface IF"});
  }
  std::optional<UserFilter> filter;
  if (!options.filter.empty()) {
    auto compiled = UserFilter::Compile(options.filter);
    if (!compiled) {
      return ReportFailure(kProgram, compiled.error());
    }
    filter = std::move(*compiled);
  }
  CatchSignals();
  return Session(options, std::move(filter)).Run();
}

}  // namespace parallax::sensor
