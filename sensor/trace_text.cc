#include "sensor/trace_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>

namespace parallax::sensor {
namespace {

// Of a trace that was interrupted nobody knows how it would have ended.
std::string_view StateName(const Path& path) {
  return path.end == TraceEnd::kUnfinished ? "unknown" : ToString(StateOf(path));
}

std::string RttJson(const RttRange& rtt) {
  return rtt.count == 0
             ? "null"
             : fmt::format(R"({{"min":{:.3f},"avg":{:.3f},"max":{:.3f}}})", ToMillis(rtt.min),
                           ToMillis(rtt.average()), ToMillis(rtt.max));
}

std::string RttColumns(const RttRange& rtt) {
  return rtt.count == 0 ? fmt::format("{:>8} {:>8} {:>8}", "-", "-", "-")
                        : fmt::format("{:>8.3f} {:>8.3f} {:>8.3f}", ToMillis(rtt.min),
                                      ToMillis(rtt.average()), ToMillis(rtt.max));
}

std::vector<std::string> FlagsOf(const PathHop& hop, const PathNode& node) {
  std::vector<std::string> flags;
  if (node.zero_ttl) {
    flags.emplace_back("zero_ttl");
  }
  if (node.nat) {
    flags.emplace_back("nat");
  }
  if (hop.state == HopState::kRateLimited) {
    flags.emplace_back("rate_limited");
  }
  return flags;
}

template <typename Items, typename Render>
std::string JsonList(const Items& items, Render render) {
  std::string out = "[";
  for (const auto& item : items) {
    out += (out.size() > 1 ? "," : "") + render(item);
  }
  return out + "]";
}

std::string Quoted(std::string_view text) { return '"' + std::string(text) + '"'; }

std::vector<MplsLabel> LabelsOf(const MplsStack& stack) {
  return {stack.labels.begin(), stack.labels.begin() + stack.count};
}

std::string NodeJson(const PathHop& hop, const PathNode& node) {
  const bool error = node.kind == AnswerKind::kError;
  return fmt::format(
      R"({{"address":"{}","sent":{},"received":{},"late":{},"rtt_ms":{},"icmp_type":{},)"
      R"("icmp_code":{},"reply_ttl":{},"quoted_ttl":{},"mpls":{},"flags":{}}})",
      node.address.ToString(), node.sent, node.received, node.late, RttJson(node.rtt),
      error ? fmt::to_string(node.icmp_type) : "null",
      error ? fmt::to_string(node.icmp_code) : "null",
      node.reply_ttl > 0 ? fmt::to_string(node.reply_ttl) : "null",
      error ? fmt::to_string(node.quoted_ttl) : "null",
      JsonList(LabelsOf(node.mpls),
               [](const MplsLabel& l) {
                 return fmt::format(R"({{"label":{},"tc":{},"ttl":{}}})", l.label, l.traffic_class,
                                    l.ttl);
               }),
      JsonList(FlagsOf(hop, node), Quoted));
}

std::string HopJson(const PathHop& hop) {
  return fmt::format(
      R"({{"ttl":{},"state":"{}","sent":{},"answered":{},"per_packet":{},"nodes":{},"former":{}}})",
      hop.ttl, ToString(hop.state), hop.sent, hop.answered, hop.per_packet,
      JsonList(hop.nodes, [&hop](const PathNode& node) { return NodeJson(hop, node); }),
      JsonList(hop.former, [](const IpAddress& a) { return Quoted(a.ToString()); }));
}

// Why the trace ended where it did; empty if it reached the target.
std::string WhyOf(const Path& path) {
  if (!path.detail.empty()) {
    return path.detail;
  }
  return path.reporter ? IcmpErrorName(path.target.family(), path.reporter->icmp_type,
                                       path.reporter->icmp_code)
                       : std::string();
}

std::string ErrorJson(const Path& path) {
  const std::string why = WhyOf(path);
  if (why.empty()) {
    return "null";
  }
  const bool said = path.reporter.has_value();
  return fmt::format(R"({{"kind":"{}","router":{},"icmp_type":{},"icmp_code":{},"detail":"{}"}})",
                     StateName(path), said ? Quoted(path.reporter->router.ToString()) : "null",
                     said ? fmt::to_string(path.reporter->icmp_type) : "null",
                     said ? fmt::to_string(path.reporter->icmp_code) : "null", why);
}

std::string TransitJson(const TransitResult& transit) {
  return fmt::format(
      R"({{"verdict":"{}","reason":"{}","hop_ttl":{},"witness":{},"witness_ttl":{},"sent":{}}})",
      ToString(transit.verdict), ToString(transit.reason),
      transit.hop_ttl > 0 ? fmt::to_string(transit.hop_ttl) : "null",
      transit.witness ? Quoted(transit.witness->ToString()) : "null",
      transit.witness ? fmt::to_string(transit.witness_ttl) : "null", transit.sent);
}

std::string TransitLine(const TransitResult& transit) {
  std::string text = fmt::format("Past that hop: {}, ", ToString(transit.verdict));
  switch (transit.reason) {
    case TransitReason::kSilence:
      return text + "nobody answers beyond it\n";
    case TransitReason::kHopNotFound:
      return text + "it does not answer on this path\n";
    case TransitReason::kNotAsked:
      return text + "not asked\n";
    case TransitReason::kHopIsTarget:
      return text + "it is the target\n";
    case TransitReason::kRouterBeyond:
      text += "a router beyond it answers";
      break;
    case TransitReason::kTargetAnswered:
      text += "the target answers";
      break;
    case TransitReason::kUnreachable:
      text += "somebody up to it says unreachable";
      break;
    case TransitReason::kLoop:
      text += "packets come back";
      break;
  }
  return transit.witness ? fmt::format("{}: {} at TTL {}\n", text, transit.witness->ToString(),
                                       transit.witness_ttl)
                         : text + '\n';
}

void Json(const TraceResult& result, std::string& out) {
  const Path& path = result.path;
  const auto to = std::back_inserter(out);
  fmt::format_to(
      to,
      R"({{"target":"{}","method":"{}","port":{},"state":"{}","sent":{},)"
      R"("received":{},"rtt_ms":{},"error":{},"redirect":{},)",
      path.target.ToString(), ToString(path.attempt.method),
      path.attempt.method == ProbeMethod::kIcmpEcho ? "null" : fmt::to_string(path.attempt.port),
      StateName(path), path.target_sent, path.target_received, RttJson(path.target_rtt),
      ErrorJson(path),
      path.redirect
          ? fmt::format(R"({{"router":"{}","gateway":"{}"}})", path.redirect->router.ToString(),
                        path.redirect->gateway.ToString())
          : "null");
  fmt::format_to(
      to,
      R"("path":{{"id":"{:016x}","end":"{}","flows":{},"confidence":{},"changed":{},"hops":{},)"
      R"("edges":{}}},"transit":{}}})"
      "\n",
      path.Id(), ToString(path.end), path.flows,
      path.flows > 1 ? fmt::format("{:.4f}", path.confidence) : "null", path.changed,
      JsonList(path.hops, HopJson),
      JsonList(path.edges,
               [](const PathEdge& edge) {
                 return fmt::format(R"({{"ttl":{},"from":"{}","to":"{}"}})", edge.ttl,
                                    edge.from.ToString(), edge.to.ToString());
               }),
      result.transit ? TransitJson(*result.transit) : "null");
}

void Csv(const Path& path, std::string& out) {
  const auto to = std::back_inserter(out);
  const std::string head = fmt::format(
      "{},{},{},{},{},{:016x}", path.target.ToString(), ToString(path.attempt.method),
      path.attempt.method == ProbeMethod::kIcmpEcho ? "" : fmt::to_string(path.attempt.port),
      StateName(path), ToString(path.end), path.Id());
  for (const PathHop& hop : path.hops) {
    if (hop.nodes.empty()) {
      fmt::format_to(to, "{},{},,{},0,,,,{},,\n", head, hop.ttl, hop.sent, ToString(hop.state));
    }
    for (const PathNode& node : hop.nodes) {
      const RttRange& rtt = node.rtt;
      const std::string times = rtt.count == 0
                                    ? ",,"
                                    : fmt::format("{:.3f},{:.3f},{:.3f}", ToMillis(rtt.min),
                                                  ToMillis(rtt.average()), ToMillis(rtt.max));
      std::vector<uint32_t> labels;
      for (const MplsLabel& label : LabelsOf(node.mpls)) {
        labels.push_back(label.label);
      }
      fmt::format_to(to, "{},{},{},{},{},{},{},{},{}\n", head, hop.ttl, node.address.ToString(),
                     node.sent, node.received, times, ToString(hop.state),
                     fmt::join(FlagsOf(hop, node), " "), fmt::join(labels, " "));
    }
  }
  if (path.hops.empty()) {
    fmt::format_to(to, "{},,,,,,,,,,\n", head);
  }
}

std::string NotesOf(const PathHop& hop, const PathNode& node) {
  std::vector<std::string> notes;
  for (const MplsLabel& label : LabelsOf(node.mpls)) {
    notes.push_back(
        fmt::format("MPLS {} tc {} ttl {}", label.label, label.traffic_class, label.ttl));
  }
  if (node.kind == AnswerKind::kError && node.meaning != ErrorMeaning::kTimeExceeded) {
    notes.push_back(IcmpErrorName(node.address.family(), node.icmp_type, node.icmp_code));
  }
  if (node.zero_ttl) {
    notes.emplace_back("the router before it forwards packets whose TTL has run out");
  }
  if (node.nat) {
    notes.emplace_back("address translation on the way here");
  }
  if (hop.per_packet) {
    notes.emplace_back("packets of one flow are spread");
  }
  if (hop.state == HopState::kRateLimited) {
    notes.emplace_back("limits its answers");
  }
  if (!hop.former.empty()) {
    std::vector<std::string> former;
    for (const IpAddress& address : hop.former) {
      former.push_back(address.ToString());
    }
    notes.push_back(fmt::format("before the route changed: {}", fmt::join(former, ", ")));
  }
  return fmt::format("{}", fmt::join(notes, "; "));
}

std::string Title(const Path& path) {
  std::string text = fmt::format("{} by {}", path.target.ToString(), ToString(path.attempt.method));
  if (path.attempt.method != ProbeMethod::kIcmpEcho) {
    text += fmt::format(" port {}", path.attempt.port);
  }
  if (path.flows > 1) {
    text += fmt::format(", {} flows", path.flows);
  }
  text +=
      path.end == TraceEnd::kUnfinished ? ": under way" : fmt::format(": {}", ToString(path.end));
  if (path.reporter) {
    text += fmt::format(", {} says: {}", path.reporter->router.ToString(), WhyOf(path));
  } else if (!WhyOf(path).empty()) {
    text += fmt::format(", {}", WhyOf(path));
  }
  if (path.changed) {
    text += ", the route changed meanwhile";
  }
  if (path.end != TraceEnd::kUnfinished && !path.hops.empty()) {
    text += fmt::format(" (path {:016x})", path.Id());
  }
  return text;
}

bool AnswersByError(const Path& path) {
  return std::any_of(path.hops.begin(), path.hops.end(), [&](const PathHop& hop) {
    return std::any_of(hop.nodes.begin(), hop.nodes.end(), [&](const PathNode& node) {
      return node.address == path.target && node.kind == AnswerKind::kError;
    });
  });
}

}  // namespace

SweepState StateOf(const Path& path) {
  switch (path.end) {
    case TraceEnd::kReached:
      // A closed UDP port answers by ICMP errors, which hosts limit: missing ones are no loss.
      return !AnswersByError(path) && path.target_received < path.target_sent ? SweepState::kLossy
                                                                              : SweepState::kUp;
    case TraceEnd::kUnreachable:
      return SweepState::kUnreachable;
    case TraceEnd::kProhibited:
      return SweepState::kProhibited;
    case TraceEnd::kLoop:
      return SweepState::kTimeExceeded;
    case TraceEnd::kNotSent:
      return SweepState::kNotSent;
    case TraceEnd::kRefused:
      return SweepState::kRefused;
    case TraceEnd::kSilent:
    case TraceEnd::kMaxTtl:
    case TraceEnd::kUnfinished:
      break;
  }
  return SweepState::kDown;
}

void TraceText::Header(std::string& out) const {
  if (output_ == ProbeOutput::kCsv) {
    out +=
        "target,method,port,state,end,path_id,ttl,address,sent,received,rtt_min_ms,rtt_avg_ms,"
        "rtt_max_ms,hop_state,flags,mpls\n";
  }
}

void TraceText::Record(const TraceResult& result, std::string& out) const {
  switch (output_) {
    case ProbeOutput::kJsonl:
      return Json(result, out);
    case ProbeOutput::kCsv:
      return Csv(result.path, out);
    case ProbeOutput::kTable:
      Table(result.path, out);
      out += result.transit ? TransitLine(*result.transit) : std::string();
      return;
  }
}

void TraceText::Table(const Path& path, std::string& out) {
  const auto to = std::back_inserter(out);
  fmt::format_to(to, "{}\n", Title(path));
  const int width = path.target.is_v4() ? 15 : 39;
  if (!path.hops.empty()) {
    fmt::format_to(to, "{:>3}  {:<{}} {:>9}  {:>8} {:>8} {:>8}  {}\n", "TTL", "ADDRESS", width,
                   "RECV/SENT", "MIN_MS", "AVG_MS", "MAX_MS", "NOTES");
  }
  const auto row = [&](std::string_view ttl, std::string_view address, uint32_t received,
                       uint32_t sent, const RttRange& rtt, const std::string& notes) {
    std::string line = fmt::format("{:>3}  {:<{}} {:>9}  {}  {}", ttl, address, width,
                                   fmt::format("{}/{}", received, sent), RttColumns(rtt), notes);
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + '\n';
  };
  for (const PathHop& hop : path.hops) {
    std::string ttl = fmt::to_string(hop.ttl);
    if (hop.nodes.empty()) {
      row(ttl, "*", 0, hop.sent, {}, hop.state == HopState::kSilent ? "does not answer" : "");
    }
    for (const PathNode& node : hop.nodes) {
      row(std::exchange(ttl, ""), node.address.ToString(), node.received, node.sent, node.rtt,
          NotesOf(hop, node));
    }
  }
}

}  // namespace parallax::sensor
