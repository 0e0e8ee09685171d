#include "common/records.h"

namespace parallax {
namespace {

template <typename Enum>
std::optional<Enum> Parse(std::string_view text, int last) {
  for (int i = 0; i <= last; ++i) {
    if (ToString(static_cast<Enum>(i)) == text) {
      return static_cast<Enum>(i);
    }
  }
  return std::nullopt;
}

}  // namespace

std::string_view ToString(AttemptOutcome outcome) {
  switch (outcome) {
    case AttemptOutcome::kPending:
      return "pending";
    case AttemptOutcome::kCompleted:
      return "completed";
    case AttemptOutcome::kHalfOpen:
      return "half_open";
    case AttemptOutcome::kUnanswered:
      return "unanswered";
    case AttemptOutcome::kRefused:
      return "refused";
    case AttemptOutcome::kUnknown:
      return "unknown";
  }
  return "unknown";
}

std::string_view ToString(ProbeMethod method) {
  switch (method) {
    case ProbeMethod::kIcmpEcho:
      return "icmp";
    case ProbeMethod::kTcpSyn:
      return "tcp";
    case ProbeMethod::kUdp:
      return "udp";
  }
  return "icmp";
}

std::string_view ToString(ProbeState state) {
  switch (state) {
    case ProbeState::kAnswered:
      return "answered";
    case ProbeState::kSilent:
      return "silent";
    case ProbeState::kUnreachable:
      return "unreachable";
    case ProbeState::kTimeExceeded:
      return "time_exceeded";
    case ProbeState::kProhibited:
      return "prohibited";
    case ProbeState::kNotSent:
      return "not_sent";
    case ProbeState::kRefused:
      return "refused";
  }
  return "silent";
}

std::string_view ToString(TraceEnd end) {
  switch (end) {
    case TraceEnd::kUnfinished:
      return "unfinished";
    case TraceEnd::kReached:
      return "reached";
    case TraceEnd::kUnreachable:
      return "unreachable";
    case TraceEnd::kProhibited:
      return "prohibited";
    case TraceEnd::kLoop:
      return "loop";
    case TraceEnd::kSilent:
      return "silent";
    case TraceEnd::kMaxTtl:
      return "max_ttl";
    case TraceEnd::kNotSent:
      return "not_sent";
    case TraceEnd::kRefused:
      return "refused";
  }
  return "unknown";
}

std::optional<TraceEnd> ParseTraceEnd(std::string_view text) {
  return Parse<TraceEnd>(text, static_cast<int>(TraceEnd::kRefused));
}

std::string_view ToString(AnnouncementKind kind) {
  switch (kind) {
    case AnnouncementKind::kRip:
      return "rip";
    case AnnouncementKind::kOspf:
      return "ospf";
    case AnnouncementKind::kRouterAdvertisement:
      return "router_advertisement";
    case AnnouncementKind::kRedirect:
      return "redirect";
    case AnnouncementKind::kDhcpOffer:
      return "dhcp_offer";
  }
  return "unknown";
}

std::optional<AnnouncementKind> ParseAnnouncementKind(std::string_view text) {
  return Parse<AnnouncementKind>(text, static_cast<int>(AnnouncementKind::kDhcpOffer));
}

std::string_view ToString(RecordClass kind) {
  switch (kind) {
    case RecordClass::kBulk:
      return "bulk";
    case RecordClass::kCounters:
      return "counters";
    case RecordClass::kResults:
      return "results";
    case RecordClass::kEvidence:
      return "evidence";
  }
  return "unknown";
}

std::optional<RecordClass> ParseRecordClass(std::string_view text) {
  return Parse<RecordClass>(text, static_cast<int>(RecordClass::kEvidence));
}

std::string_view ToString(GapReason reason) {
  switch (reason) {
    case GapReason::kFull:
      return "full";
    case GapReason::kDamaged:
      return "damaged";
    case GapReason::kStopped:
      return "stopped";
  }
  return "unknown";
}

std::optional<GapReason> ParseGapReason(std::string_view text) {
  return Parse<GapReason>(text, static_cast<int>(GapReason::kStopped));
}

RecordClass ClassOf(const Record& record) {
  if (std::holds_alternative<Attempt>(record)) {
    return RecordClass::kBulk;
  }
  if (std::holds_alternative<ServerReport>(record)) {
    return RecordClass::kCounters;
  }
  return std::holds_alternative<ProbeReport>(record) ? RecordClass::kResults
                                                     : RecordClass::kEvidence;
}

}  // namespace parallax
