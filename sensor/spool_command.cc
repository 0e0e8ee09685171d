#include "sensor/spool_command.h"

#include <fmt/format.h>

#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/log.h"
#include "sensor/config.h"
#include "sensor/standard_output.h"

namespace parallax::sensor {
namespace {

// The segments of one class and epoch.
struct Sum {
  uint64_t waiting = 0;
  uint64_t bytes = 0;
  uint64_t segments = 0;
  std::optional<WallTime> oldest;
};
using Sums = std::map<std::pair<RecordClass, uint64_t>, Sum>;

Sums SumsOf(const SpoolReport& report) {
  Sums sums;
  for (const SegmentReport& segment : report.segments) {
    Sum& sum = sums[{segment.kind, segment.epoch}];
    sum.waiting += segment.waiting;
    sum.bytes += segment.bytes;
    ++sum.segments;
    if (segment.oldest && (!sum.oldest || *segment.oldest < *sum.oldest)) {
      sum.oldest = segment.oldest;
    }
  }
  return sums;
}

std::string Verdict(const SegmentReport& segment) {
  if (!segment.problem.empty()) {
    return segment.problem;
  }
  std::string text;
  const auto add = [&](const std::string& what) { text += (text.empty() ? "" : ", ") + what; };
  if (!segment.header_ok) {
    add("header damaged");
  }
  if (segment.missing > 0) {
    add(fmt::format("{} records missing", segment.missing));
  }
  if (segment.damaged_bytes > 0) {
    add(fmt::format("{} bytes are no record", segment.damaged_bytes));
  }
  return text.empty() ? "ok" : text;
}

bool Whole(const SpoolReport& report) {
  for (const SegmentReport& segment : report.segments) {
    if (!segment.ok()) {
      return false;
    }
  }
  return true;
}

nlohmann::ordered_json TimeOrNull(const std::optional<WallTime>& time) {
  return time ? nlohmann::ordered_json(FormatRfc3339(*time)) : nlohmann::ordered_json(nullptr);
}

}  // namespace

std::string ListText(const SpoolReport& report, const std::string& folder, WallTime now) {
  const Sums sums = SumsOf(report);
  if (sums.empty()) {
    return fmt::format("{}: empty: the collector has everything\n", folder);
  }
  std::string out = fmt::format("{:<10}{:<18}{:>10}{:>12}{:>10}  {}\n", "CLASS", "EPOCH", "RECORDS",
                                "BYTES", "FILES", "OLDEST");
  uint64_t records = 0;
  uint64_t bytes = 0;
  for (const auto& [key, sum] : sums) {
    out += fmt::format("{:<10}{:016x}  {:>10}{:>12}{:>10}  {}\n", ToString(key.first), key.second,
                       sum.waiting, sum.bytes, sum.segments,
                       sum.oldest ? FormatAge(now - *sum.oldest) : "-");
    records += sum.waiting;
    bytes += sum.bytes;
  }
  out += fmt::format(
      "{} records wait for the collector in {} bytes. Are they whole? "
      "parallax-sensor spool verify\n",
      records, bytes);
  return out;
}

std::string VerifyText(const SpoolReport& report, const std::string& folder) {
  std::string out;
  if (!report.segments.empty()) {
    out = fmt::format("{:<50}{:>10}{:>12}  {}\n", "FILE", "RECORDS", "BYTES", "STATE");
  }
  for (const SegmentReport& segment : report.segments) {
    out += fmt::format("{:<50}{:>10}{:>12}  {}\n", segment.file, segment.records, segment.bytes,
                       Verdict(segment));
  }
  for (const std::string& name : report.foreign) {
    out += fmt::format("{:<50}{:>10}{:>12}  not a file of the spool; left alone\n", name, "-", "-");
  }
  if (!report.has_acked && !report.segments.empty()) {
    out +=
        "What the collector has acknowledged is not known: all of it is sent again, and what it "
        "has already is not stored twice.\n";
  }
  out += fmt::format("{}: {}\n", folder,
                     Whole(report) ? "whole"
                                   : "damaged; the sensor delivers what is whole, and reports the "
                                     "rest as a gap");
  return out;
}

std::string SpoolJson(const SpoolReport& report, SpoolAction action, const std::string& folder) {
  using Json = nlohmann::ordered_json;
  Json items = Json::array();
  if (action == SpoolAction::kList) {
    for (const auto& [key, sum] : SumsOf(report)) {
      items.push_back({{"class", ToString(key.first)},
                       {"epoch", fmt::format("{:016x}", key.second)},
                       {"records", sum.waiting},
                       {"bytes", sum.bytes},
                       {"files", sum.segments},
                       {"oldest_at", TimeOrNull(sum.oldest)}});
    }
  } else {
    for (const SegmentReport& segment : report.segments) {
      items.push_back({{"file", segment.file},
                       {"class", ToString(segment.kind)},
                       {"epoch", fmt::format("{:016x}", segment.epoch)},
                       {"ok", segment.ok()},
                       {"state", Verdict(segment)},
                       {"bytes", segment.bytes},
                       {"records", segment.records},
                       {"waiting", segment.waiting},
                       {"first_sequence", segment.first},
                       {"last_sequence", segment.last},
                       {"missing", segment.missing},
                       {"damaged_bytes", segment.damaged_bytes},
                       {"oldest_at", TimeOrNull(segment.oldest)},
                       {"newest_at", TimeOrNull(segment.newest)}});
    }
  }
  const Json out = {{"api_version", "parallax/v1"},
                    {"kind", action == SpoolAction::kList ? "SpoolList" : "SpoolSegmentList"},
                    {"folder", folder},
                    {"ok", Whole(report)},
                    {"items", items}};
  return out.dump(2) + "\n";
}

int RunSpoolCommand(const SpoolCommandOptions& options) {
  constexpr const char* kProgram = "parallax-sensor";
  const auto config = LoadSensorConfig(options.config);
  if (!config) {
    return ReportFailure(kProgram, config.error());
  }
  const std::string& folder = config->spool.dir;
  const auto files = ReadSpoolFolder(folder);
  SpoolReport report;
  if (files) {
    auto inspected = InspectSpool(**files);
    if (!inspected) {
      return ReportFailure(kProgram, inspected.error());
    }
    report = std::move(*inspected);
  } else if (files.error().code != ErrorCode::kNotFound) {  // not there: nothing has waited yet
    return ReportFailure(kProgram, files.error());
  }
  const bool list = options.action == SpoolAction::kList;
  const std::string text = options.output == SpoolOutput::kJson
                               ? SpoolJson(report, options.action, folder)
                           : list ? ListText(report, folder, Now().wall)
                                  : VerifyText(report, folder);
  return PrintAnswer(text, list || Whole(report) ? 0 : 1);
}

}  // namespace parallax::sensor
