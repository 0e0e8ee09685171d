#include "sensor/probe_text.h"

#include <fmt/format.h>

#include <charconv>
#include <iterator>

namespace parallax::sensor {
namespace {

// Milliseconds with three decimals: microseconds are what a clock on a busy host is good for.
void AppendMillis(Duration d, std::string& out) {
  const auto micros = static_cast<uint64_t>((d.count() + 500) / 1000);
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), micros / 1000).ptr;
  out.append(digits.data(), end);
  const auto rest = static_cast<unsigned>(micros % 1000);
  out += {'.', static_cast<char>('0' + rest / 100), static_cast<char>('0' + rest / 10 % 10),
          static_cast<char>('0' + rest % 10)};
}

void AppendNumber(uint64_t number, std::string& out) {
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out.append(digits.data(), end);
}

std::string DetailOf(const SweepResult& result) {
  const SweepError& error = result.error;
  if (error.state == ProbeState::kRefused) {
    return std::string(Describe(error.refusal));
  }
  if (error.state == ProbeState::kNotSent) {
    return error.send_error != 0 ? DescribeSendError(error.send_error)
                                 : "this host's own kernel: the next hop does not answer";
  }
  return IcmpErrorName(result.target.family(), error.icmp_type, error.icmp_code);
}

Duration AverageOf(const SweepResult& result) { return result.rtt_sum / result.received; }

}  // namespace

std::string IcmpErrorName(Family family, uint8_t type, uint8_t code) {
  struct Name {
    uint8_t type;
    uint8_t code;
    std::string_view text;
  };
  static constexpr Name kV4[] = {
      {3, 0, "network unreachable"},
      {3, 1, "host unreachable"},
      {3, 2, "protocol unreachable"},
      {3, 3, "port unreachable"},
      {3, 5, "source route failed"},
      {3, 6, "network unknown"},
      {3, 7, "host unknown"},
      {3, 9, "network administratively prohibited"},
      {3, 10, "host administratively prohibited"},
      {3, 11, "network unreachable for this type of service"},
      {3, 12, "host unreachable for this type of service"},
      {3, 13, "administratively prohibited"},
      {11, 0, "time exceeded: a routing loop"},
      {11, 1, "fragment reassembly time exceeded"},
      {12, 0, "parameter problem"},
  };
  static constexpr Name kV6[] = {
      {1, 0, "no route to destination"},
      {1, 1, "administratively prohibited"},
      {1, 2, "beyond scope of source address"},
      {1, 3, "address unreachable"},
      {1, 4, "port unreachable"},
      {1, 5, "source address failed policy"},
      {1, 6, "reject route to destination"},
      {3, 0, "time exceeded: a routing loop"},
      {3, 1, "fragment reassembly time exceeded"},
      {4, 0, "parameter problem"},
  };
  const std::span<const Name> names =
      family == Family::kV4 ? std::span<const Name>(kV4) : std::span<const Name>(kV6);
  for (const Name& name : names) {
    if (name.type == type && name.code == code) {
      return std::string(name.text);
    }
  }
  return fmt::format("ICMP type {} code {}", type, code);
}

void SweepText::Header(std::string& out) const {
  switch (output_) {
    case ProbeOutput::kJsonl:
      return;
    case ProbeOutput::kCsv:
      out +=
          "target,method,port,state,sent,received,rtt_min_ms,rtt_avg_ms,rtt_max_ms,late,error,"
          "router,icmp_type,icmp_code,detail,flows,flow_verdict,confidence,share,loss,failing\n";
      return;
    case ProbeOutput::kTable:
      fmt::format_to(std::back_inserter(out), "{:<{}}  {:<13} {:>9}  {:>8} {:>8} {:>8}  {}\n",
                     "TARGET", any_v6_ ? 39 : 15, "STATE", "RECV/SENT", "MIN_MS", "AVG_MS",
                     "MAX_MS", "WHY");
      return;
  }
}

void SweepText::Record(const SweepResult& result, std::string& out) const {
  switch (output_) {
    case ProbeOutput::kJsonl:
      return Json(result, out);
    case ProbeOutput::kCsv:
      return Csv(result, out);
    case ProbeOutput::kTable:
      return Row(result, out);
  }
}

void SweepText::Json(const SweepResult& result, std::string& out) const {
  out += R"({"target":")";
  AppendAddress(result.target, out);
  out += R"(","method":")";
  out += ToString(options_.method);
  out += R"(","port":)";
  if (options_.method == ProbeMethod::kIcmpEcho) {
    out += "null";
  } else {
    AppendNumber(options_.port, out);
  }
  out += R"(,"state":")";
  out += ToString(result.state);
  out += R"(","sent":)";
  AppendNumber(result.sent, out);
  out += R"(,"received":)";
  AppendNumber(result.received, out);
  out += R"(,"rtt_ms":)";
  if (result.received == 0) {
    out += "null";
  } else {
    out += R"({"min":)";
    AppendMillis(result.rtt_min, out);
    out += R"(,"avg":)";
    AppendMillis(AverageOf(result), out);
    out += R"(,"max":)";
    AppendMillis(result.rtt_max, out);
    out += '}';
  }
  out += R"(,"late":)";
  AppendNumber(result.late, out);
  if (result.error.state == ProbeState::kSilent) {
    out += R"(,"error":null)";
  } else {
    const SweepError& error = result.error;
    const bool icmp = error.router.has_value();
    fmt::format_to(
        std::back_inserter(out),
        R"(,"error":{{"kind":"{}","router":{},"icmp_type":{},"icmp_code":{},"detail":"{}"}})",
        ToString(error.state), icmp ? '"' + error.router->ToString() + '"' : "null",
        icmp ? fmt::to_string(error.icmp_type) : "null",
        icmp ? fmt::to_string(error.icmp_code) : "null", DetailOf(result));
  }
  if (result.redirect) {
    fmt::format_to(std::back_inserter(out), R"(,"redirect":{{"router":"{}","gateway":"{}"}})",
                   result.redirect->router.ToString(), result.redirect->gateway.ToString());
  } else {
    out += R"(,"redirect":null)";
  }
  if (!result.flows) {
    out += ",\"flows\":null}\n";
    return;
  }
  const FlowVerdict& flows = *result.flows;
  fmt::format_to(
      std::back_inserter(out),
      R"(,"flows":{{"count":{},"verdict":"{}","confidence":{:.4f},"changing":{},"share":{:.4f},)"
      R"("share_low":{:.4f},"share_high":{:.4f},"loss":{:.4f},"loss_low":{:.4f},)"
      R"("loss_high":{:.4f},"failing":[{}]}}}})"
      "\n",
      options_.flows, FlowPatternName(flows.pattern), flows.confidence, flows.changing,
      flows.share.value, flows.share.low, flows.share.high, flows.loss.value, flows.loss.low,
      flows.loss.high, fmt::join(flows.failing, ","));
}

void SweepText::Csv(const SweepResult& result, std::string& out) const {
  AppendAddress(result.target, out);
  const auto to = std::back_inserter(out);
  const bool icmp = options_.method == ProbeMethod::kIcmpEcho;
  fmt::format_to(to, ",{},{},{},{},{},", ToString(options_.method),
                 icmp ? std::string() : fmt::to_string(options_.port), ToString(result.state),
                 result.sent, result.received);
  if (result.received > 0) {
    AppendMillis(result.rtt_min, out);
    out += ',';
    AppendMillis(AverageOf(result), out);
    out += ',';
    AppendMillis(result.rtt_max, out);
  } else {
    out += ",,";
  }
  fmt::format_to(to, ",{},", result.late);
  const SweepError& error = result.error;
  if (error.state == ProbeState::kSilent) {
    out += ",,,,,";
  } else {
    const bool said = error.router.has_value();
    fmt::format_to(to, "{},{},{},{},\"{}\",", ToString(error.state),
                   said ? error.router->ToString() : "",
                   said ? fmt::to_string(error.icmp_type) : "",
                   said ? fmt::to_string(error.icmp_code) : "", DetailOf(result));
  }
  if (result.flows) {
    const FlowVerdict& flows = *result.flows;
    fmt::format_to(to, "{},{},{:.4f},{:.4f},{:.4f},{}\n", options_.flows,
                   FlowPatternName(flows.pattern), flows.confidence, flows.share.value,
                   flows.loss.value, fmt::join(flows.failing, " "));
  } else {
    out += ",,,,,\n";
  }
}

void SweepText::Row(const SweepResult& result, std::string& out) const {
  const auto to = std::back_inserter(out);
  fmt::format_to(to, "{:<{}}  {:<13} {:>9}  ", result.target.ToString(), any_v6_ ? 39 : 15,
                 ToString(result.state), fmt::format("{}/{}", result.received, result.sent));
  if (result.received > 0) {
    fmt::format_to(to, "{:>8.3f} {:>8.3f} {:>8.3f}", ToMillis(result.rtt_min),
                   ToMillis(AverageOf(result)), ToMillis(result.rtt_max));
  } else {
    fmt::format_to(to, "{:>8} {:>8} {:>8}", "-", "-", "-");
  }
  std::string why;
  const auto add = [&why](const std::string& text) { why += (why.empty() ? "" : "; ") + text; };
  if (result.flows) {
    const FlowVerdict& flows = *result.flows;
    std::string text =
        fmt::format("{} ({:.1f} % sure)", FlowPatternName(flows.pattern), 100 * flows.confidence);
    if (flows.pattern == FlowPattern::kPerFlow) {
      text += fmt::format(": {:.1f} % of flows fail ({:.1f}-{:.1f})", 100 * flows.share.value,
                          100 * flows.share.low, 100 * flows.share.high);
    } else if (flows.pattern == FlowPattern::kPerPacket) {
      text += fmt::format(": {:.1f} % loss ({:.1f}-{:.1f})", 100 * flows.loss.value,
                          100 * flows.loss.low, 100 * flows.loss.high);
    }
    add(text);
  }
  if (result.error.state != ProbeState::kSilent) {
    add((result.error.router ? result.error.router->ToString() + ": " : "") + DetailOf(result));
  }
  if (result.redirect) {
    add(fmt::format("{} redirects to {}", result.redirect->router.ToString(),
                    result.redirect->gateway.ToString()));
  }
  if (result.late > 0) {
    add(fmt::format("{} late", result.late));
  }
  if (!why.empty()) {
    out += "  " + why;
  }
  out += '\n';
}

}  // namespace parallax::sensor
