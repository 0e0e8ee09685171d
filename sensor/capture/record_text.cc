#include "sensor/capture/record_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace parallax::sensor {
namespace {

constexpr size_t kTimeWidth = 27;  // with microseconds
constexpr size_t kFlagsWidth = 5;

void AppendNumber(uint64_t value, std::string& out) {
  const fmt::format_int text(value);
  out.append(text.data(), text.size());
}

void AppendField(const char* name, uint64_t value, std::string& out) {
  out += name;
  AppendNumber(value, out);
}

// Interface names may hold any byte but a slash and white space; they go to terminals and to JSON.
void AppendName(std::string_view name, std::string& out) {
  for (const char c : name) {
    out += c > ' ' && c <= '~' ? c : '?';
  }
}

void AppendJsonString(std::string_view text, std::string& out) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
    }
    AppendName({&c, 1}, out);
  }
  out += '"';
}

void AppendInterfaceJson(std::string_view interface, std::string& out) {
  out += ",\"interface\":";
  if (interface.empty()) {
    out += "null";
  } else {
    AppendJsonString(interface, out);
  }
}

void AppendEndpointsJson(const Endpoint& src, const Endpoint& dst, std::string& out) {
  out += ",\"src\":\"";
  AppendAddress(src.address, out);
  AppendField("\",\"sport\":", src.port, out);
  out += ",\"dst\":\"";
  AppendAddress(dst.address, out);
  AppendField("\",\"dport\":", dst.port, out);
}

void AppendVlan(const VlanList& vlan, std::string& out) {
  for (uint8_t i = 0; i < vlan.count; ++i) {
    AppendField(i == 0 ? "" : ",", vlan.ids[i], out);
  }
}

std::string_view FlagsText(const SynSegment& segment) { return segment.Has(kTcpAck) ? "SA" : "S"; }

// Pads what was appended since `start` with blanks, and widens the column if that is too long.
void EndColumn(size_t start, size_t& width, std::string& out) {
  const size_t used = out.size() - start;
  width = std::max(width, used);
  out.append(width - used + 2, ' ');
}

void EndFixedColumn(size_t start, size_t width, std::string& out) { EndColumn(start, width, out); }

void AppendEndpoint(const Endpoint& endpoint, std::string& out) {
  const bool v6 = !endpoint.address.is_v4();
  if (v6) {
    out += '[';
  }
  AppendAddress(endpoint.address, out);
  out += v6 ? "]:" : ":";
  AppendNumber(endpoint.port, out);
}

void TrimEnd(std::string& out) {
  while (!out.empty() && out.back() == ' ') {
    out.pop_back();
  }
}

}  // namespace

void RecordText::Time(WallTime time, bool nanoseconds, std::string& out) {
  const auto whole = std::chrono::floor<std::chrono::seconds>(time);
  const int64_t second = whole.time_since_epoch().count();
  if (second != second_ || second_text_.empty()) {
    second_ = second;
    second_text_ = FormatRfc3339(whole);
    second_text_.resize(second_text_.find('.'));
  }
  out += second_text_;
  const auto nanos = static_cast<uint64_t>((time - whole).count());
  const size_t count = nanoseconds ? 9 : 6;
  char digits[10] = ".";
  uint64_t rest = nanoseconds ? nanos : nanos / 1000;
  for (size_t i = count; i > 0; --i) {
    digits[i] = static_cast<char>('0' + rest % 10);
    rest /= 10;
  }
  out.append(digits, count + 1);
  out += 'Z';
}

void RecordText::JsonTime(WallTime time, std::string& out) {
  Time(time, time.time_since_epoch().count() % 1000 != 0, out);
}

void RecordText::SegmentJson(const CapturedSegment& captured, std::string& out) {
  const SynSegment& s = captured.segment;
  AppendField("{\"frame\":", captured.frame, out);
  out += ",\"time\":\"";
  JsonTime(captured.stamp, out);
  out += '"';
  AppendInterfaceJson(captured.interface, out);
  out += ",\"flags\":\"";
  out += FlagsText(s);
  out += '"';
  AppendEndpointsJson(s.src, s.dst, out);
  AppendField(",\"isn\":", s.seq, out);
  AppendField(",\"ttl\":", s.ttl, out);
  out += ",\"vlan\":[";
  AppendVlan(s.vlan, out);
  out += "]}\n";
}

void RecordText::AttemptJson(const Attempt& a, std::string& out) {
  out += "{\"time\":\"";
  JsonTime(a.first_seen, out);
  out += '"';
  AppendInterfaceJson(a.interface, out);
  AppendEndpointsJson(a.client, a.server, out);
  AppendField(",\"isn\":", a.isn, out);
  out += ",\"ttl\":";
  if (a.ttl == 0) {
    out += "null";
  } else {
    AppendNumber(a.ttl, out);
  }
  out += ",\"outcome\":\"";
  out += ToString(a.outcome);
  out += "\",\"rule\":\"";
  out += a.rule;
  AppendField("\",\"syns\":", a.syns, out);
  AppendField(",\"syn_acks\":", a.syn_acks, out);
  out += "}\n";
}

void RecordText::AnnouncementJson(const Announcement& a, uint64_t frame, const VlanList& vlan,
                                  std::string& out) {
  AppendField("{\"frame\":", frame, out);
  out += ",\"time\":\"";
  JsonTime(a.first_heard, out);
  out += '"';
  AppendInterfaceJson(a.interface, out);
  out += ",\"kind\":\"";
  out += ToString(a.kind);
  out += "\",\"speaker\":\"";
  AppendAddress(a.speaker, out);
  out += "\",\"speaker_link\":";
  out += a.speaker_link.empty() ? "null" : '"' + a.speaker_link + '"';
  out += ",\"gateway\":\"";
  AppendAddress(a.gateway, out);
  out += "\",\"prefix\":";
  out += a.prefix ? '"' + a.prefix->ToString() + '"' : "null";
  AppendField(",\"metric\":", a.metric, out);
  out += a.withdrawn ? ",\"withdrawn\":true" : ",\"withdrawn\":false";
  out += ",\"vlan\":[";
  AppendVlan(vlan, out);
  out += "]}\n";
}

void RecordText::SegmentHeader(std::string& out) {
  fmt::format_to(std::back_inserter(out),
                 "{:<27}  {:<{}}  {:<5}  {:<{}}  {:<{}}  {:>3}  {:>10}  {}\n", "TIME", "INTERFACE",
                 interface_width_, "FLAGS", "SOURCE", endpoint_width_, "DESTINATION",
                 endpoint_width_, "TTL", "ISN", "VLAN");
}

void RecordText::SegmentRow(const CapturedSegment& captured, std::string& out) {
  const SynSegment& s = captured.segment;
  size_t start = out.size();
  Time(captured.stamp, false, out);
  EndFixedColumn(start, kTimeWidth, out);
  start = out.size();
  AppendName(captured.interface.empty() ? "-" : captured.interface, out);
  EndColumn(start, interface_width_, out);
  start = out.size();
  out += FlagsText(s);
  EndFixedColumn(start, kFlagsWidth, out);
  start = out.size();
  AppendEndpoint(s.src, out);
  EndColumn(start, endpoint_width_, out);
  start = out.size();
  AppendEndpoint(s.dst, out);
  EndColumn(start, endpoint_width_, out);
  fmt::format_to(std::back_inserter(out), "{:>3}  {:>10}  ", s.ttl, s.seq);
  AppendVlan(s.vlan, out);
  TrimEnd(out);
  out += '\n';
}

void RecordText::AttemptHeader(std::string& out) {
  fmt::format_to(std::back_inserter(out),
                 "{:<27}  {:<{}}  {:<{}}  {:<{}}  {:<10}  {:>4}  {:>8}  {}\n", "TIME", "INTERFACE",
                 interface_width_, "CLIENT", endpoint_width_, "SERVER", endpoint_width_, "OUTCOME",
                 "SYNS", "SYN-ACKS", "RULE");
}

void RecordText::AttemptRow(const Attempt& a, std::string& out) {
  size_t start = out.size();
  Time(a.first_seen, false, out);
  EndFixedColumn(start, kTimeWidth, out);
  start = out.size();
  AppendName(a.interface.empty() ? "-" : a.interface, out);
  EndColumn(start, interface_width_, out);
  start = out.size();
  AppendEndpoint(a.client, out);
  EndColumn(start, endpoint_width_, out);
  start = out.size();
  AppendEndpoint(a.server, out);
  EndColumn(start, endpoint_width_, out);
  fmt::format_to(std::back_inserter(out), "{:<10}  {:>4}  {:>8}  {}\n", ToString(a.outcome), a.syns,
                 a.syn_acks, a.rule);
}

void RecordText::AnnouncementHeader(std::string& out) {
  fmt::format_to(std::back_inserter(out),
                 "{:<27}  {:<{}}  {:<20}  {:<{}}  {:<17}  {:<{}}  {:<{}}  {:>10}  {:<9}  {}\n",
                 "TIME", "INTERFACE", interface_width_, "KIND", "SPEAKER", address_width_,
                 "SPEAKER-LINK", "GATEWAY", address_width_, "PREFIX", prefix_width_, "METRIC",
                 "WITHDRAWN", "VLAN");
}

void RecordText::AnnouncementRow(const Announcement& a, const VlanList& vlan, std::string& out) {
  const auto column = [&out](std::string_view text, size_t& width) {
    const size_t start = out.size();
    AppendName(text.empty() ? "-" : text, out);
    EndColumn(start, width, out);
  };
  const size_t start = out.size();
  Time(a.first_heard, false, out);
  EndFixedColumn(start, kTimeWidth, out);
  column(a.interface, interface_width_);
  fmt::format_to(std::back_inserter(out), "{:<20}  ", ToString(a.kind));
  column(a.speaker.ToString(), address_width_);
  fmt::format_to(std::back_inserter(out), "{:<17}  ",
                 a.speaker_link.empty() ? "-" : a.speaker_link);
  column(a.gateway.ToString(), address_width_);
  column(a.prefix ? a.prefix->ToString() : "", prefix_width_);
  fmt::format_to(std::back_inserter(out), "{:>10}  {:<9}  ", a.metric, a.withdrawn ? "yes" : "no");
  AppendVlan(vlan, out);
  TrimEnd(out);
  out += '\n';
}

}  // namespace parallax::sensor
