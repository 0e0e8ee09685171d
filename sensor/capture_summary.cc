#include "sensor/capture_summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>
#include <vector>

#include "common/flood_signs.h"

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

constexpr size_t kTop = 5;
constexpr size_t kTroubles = 64;
constexpr Duration kFirstWord = 1s;
constexpr Duration kRedrawEvery = 200ms;

using Tops = std::vector<TopTalkers::Talker>;

void AppendTop(std::string_view title, const TopTalkers& talkers, std::string& text) {
  Tops top = talkers.Top(kTop);
  if (top.size() == kTop && top[0].count == 1) {
    top.clear();  // each once: five of many say nothing
  }
  const char* comma = " ";
  for (const auto& talker : top) {
    fmt::format_to(std::back_inserter(text), "{}{}{} ({})",
                   talker.address == top[0].address ? title : "", std::exchange(comma, ", "),
                   talker.address.ToString(), talker.count);
  }
  text += top.empty() ? "" : "\n";
}

// "title: 3 truncated, 1 malformed", without those that are zero; nothing if all are.
void AppendCounts(std::string_view title,
                  std::initializer_list<std::pair<uint64_t, std::string_view>> counts,
                  std::string& text) {
  bool any = false;
  for (const auto& [count, name] : counts) {
    if (count > 0) {
      fmt::format_to(std::back_inserter(text), "{}{} {}", any ? ", " : std::string(title) + " ",
                     count, name);
      any = true;
    }
  }
  text += any ? "\n" : "";
}

std::string Percent(const std::optional<double>& share) {
  return share ? fmt::format("{:.0f} %", *share * 100) : "?";
}

std::string_view Reading(const ServerReport& r) {
  switch (ReadTrouble(r)) {
    case ServerTrouble::kBoth:
      return "; real clients do not get through, and SYNs far exceed what is usual";
    case ServerTrouble::kFault:
      return "; real clients keep trying and their answers get lost: no flood";
    case ServerTrouble::kFlood:
      return "; nobody tries again: looks like a SYN flood";
    case ServerTrouble::kNone:
      break;
  }
  return "";
}

std::string Trouble(const ServerReport& r) {
  std::string text = fmt::format("{}: {} SYN", r.server.ToString(), r.syns);
  if (r.port_syns > r.syns / 2) {
    fmt::format_to(std::back_inserter(text), " (port {})", r.port);
  }
  fmt::format_to(std::back_inserter(text), " from about {} sources in {:.0f} s", r.sources,
                 ToSeconds(r.window));
  if (r.half_open > 0) {
    fmt::format_to(std::back_inserter(text),
                   ", {} half-open: {} sent their SYN again, {} are known clients", r.half_open,
                   Percent(r.half_open_repeated), Percent(r.half_open_known));
  }
  if (r.all_or_nothing) {
    fmt::format_to(std::back_inserter(text), ", {} of the clients that fail do so every time",
                   Percent(r.all_or_nothing));
  }
  text += Reading(r);
  return text;
}

}  // namespace

CaptureSummary::CaptureSummary() : sources_(RandomHashKey()), servers_(RandomHashKey()) {}

void CaptureSummary::Frame(WallTime stamp) {
  ++frames_;
  first_ = std::min(first_, stamp);
  last_ = std::max(last_, stamp);
}

void CaptureSummary::Segment(const SynSegment& segment) {
  if (segment.IsSyn()) {
    ++syns_;
    sources_.Count(segment.src.address);
    servers_.Count(segment.dst.address);
  } else if (segment.IsSynAck()) {
    ++syn_acks_;
  }
}

void CaptureSummary::Trouble(const ServerReport& report) {
  const auto found = troubles_.find(report.server);
  if (found == troubles_.end()) {
    if (troubles_.size() < kTroubles) {
      troubles_.emplace(report.server, report);
    }
    return;
  }
  const auto badness = [](const ServerReport& r) { return std::pair(r.half_open, r.syns); };
  if (badness(found->second) < badness(report)) {
    found->second = report;
  }
}

void CaptureSummary::Kernel(uint64_t received, uint64_t dropped) {
  live_ = true;
  received_ += received;
  dropped_ += dropped;
}

std::string CaptureSummary::Text(bool handshakes) const {
  std::string text;
  const auto to = std::back_inserter(text);
  fmt::format_to(to, "{} frame{}, ", frames_, frames_ == 1 ? "" : "s");
  if (announcements_) {
    fmt::format_to(to, "{} that may announce a gateway, {} announcement{}", announcements_->packets,
                   announcements_->offers, announcements_->offers == 1 ? "" : "s");
  } else {
    fmt::format_to(to, "{} SYN, {} SYN-ACK", syns_, syn_acks_);
  }
  if (frames_ > 1) {
    fmt::format_to(to, " in {:.3f} s", ToSeconds(last_ - first_));
  }
  if (live_) {
    fmt::format_to(to, "; {} received, {} dropped by the kernel", received_, dropped_);
  }
  text += '\n';
  if (handshakes) {
    text += "attempts:";
    const char* comma = " ";
    for (const AttemptOutcome outcome :
         {AttemptOutcome::kCompleted, AttemptOutcome::kHalfOpen, AttemptOutcome::kUnanswered,
          AttemptOutcome::kRefused, AttemptOutcome::kUnknown}) {
      fmt::format_to(to, "{}{} {}", std::exchange(comma, ", "),
                     outcomes_[static_cast<size_t>(outcome)], ToString(outcome));
    }
    text += '\n';
    AppendCounts("of the segments:",
                 {{tracker_.duplicates, "seen twice"}, {tracker_.odd, "SYN with FIN or RST"}},
                 text);
    AppendCounts("of the attempts:", {{tracker_.evicted, "forgotten early, for want of room"}},
                 text);
  }
  if (announcements_) {
    AppendCounts("of those frames:",
                 {{announcements_->no_offer, "that offer nothing"},
                  {announcements_->cut, "cut off by the capture"},
                  {announcements_->malformed, "malformed"}},
                 text);
    AppendCounts("not printed:",
                 {{announcements_->other_routes, "routes to longer prefixes"},
                  {announcements_->crowded, "beyond the first 64 of a frame"},
                  {filtered_out_, "frames left out by --filter"}},
                 text);
    return text;
  }
  AppendTop("most SYNs from:", sources_, text);
  AppendTop("most SYNs to:", servers_, text);
  const auto skips = [this](DecodeSkip skip) { return skips_[static_cast<size_t>(skip)]; };
  AppendCounts("undecodable:",
               {{skips(DecodeSkip::kTruncated), "cut off by the capture"},
                {skips(DecodeSkip::kMalformed), "malformed"}},
               text);
  AppendCounts("not looked into:",
               {{skips(DecodeSkip::kNotIp), "not IP"},
                {skips(DecodeSkip::kNotTcp), "not TCP"},
                {skips(DecodeSkip::kLaterFragment), "later fragments"},
                {skips(DecodeSkip::kOutOfScope), "TCP without SYN"},
                {filtered_out_, "left out by --filter"}},
               text);
  for (const auto& [server, report] : troubles_) {
    text += sensor::Trouble(report) + '\n';
  }
  return text;
}

CaptureProgress::CaptureProgress(std::string name, uint64_t size, bool terminal, MonoTime now)
    : name_(std::move(name)),
      size_(size),
      terminal_(terminal),
      start_(now),
      next_(now + kFirstWord) {}

std::string CaptureProgress::Update(uint64_t position, const CaptureSummary& summary,
                                    MonoTime now) {
  if (now < next_) {
    return "";
  }
  next_ = terminal_ ? now + kRedrawEvery : now + (now - start_);
  drawn_ = true;
  const double seconds = ToSeconds(now - start_);
  std::string text = terminal_ ? "\r" : "";
  text += name_ + ": ";
  if (size_ > 0) {
    fmt::format_to(std::back_inserter(text), "{} % of ", 100 * std::min(position, size_) / size_);
  }
  fmt::format_to(std::back_inserter(text), "{} MB, {} frames, {} SYN, {:.1f} s",
                 std::max(size_, position) / 1'000'000, summary.frames(), summary.syns(), seconds);
  text += terminal_ ? "\x1b[K" : "\n";
  return text;
}

std::string CaptureProgress::End() {
  return terminal_ && std::exchange(drawn_, false) ? "\r\x1b[K" : "";
}

}  // namespace parallax::sensor
