#include "sensor/spool/spool_report.h"

#include <algorithm>
#include <tuple>

#include "sensor/spool/spool_format.h"

namespace parallax::sensor {
namespace {

SegmentReport Inspect(SpoolFiles& files, const SpoolFiles::Entry& entry, const SegmentHeader& named,
                      uint64_t acked) {
  SegmentReport report;
  report.file = entry.name;
  report.kind = named.kind;
  report.epoch = named.epoch;
  report.bytes = entry.size;
  const auto whole = ReadWhole(files, entry);
  if (!whole) {
    report.problem = whole.error().message;
    return report;
  }
  const auto header = DecodeHeader(whole->bytes);
  report.header_ok = header && header->kind == named.kind && header->epoch == named.epoch &&
                     header->first_sequence == named.first_sequence;
  RecordReader reader(RecordsIn(whole->bytes), named.first_sequence - 1);
  while (reader.Next()) {
    if (report.records++ == 0) {
      report.first = reader.sequence();
      report.oldest = reader.appended().wall;
    }
    report.last = reader.sequence();
    report.newest = reader.appended().wall;
    report.waiting += reader.sequence() > acked ? 1 : 0;
  }
  report.damaged_bytes = reader.damaged_bytes();
  report.missing =
      report.records == 0 ? 0 : report.last - named.first_sequence + 1 - report.records;
  return report;
}

}  // namespace

Result<SpoolReport> InspectSpool(SpoolFiles& files) {
  const auto listed = files.List();
  if (!listed) {
    return tl::make_unexpected(listed.error());
  }
  SpoolReport report;
  AckedState acked;
  const auto is_acked = [](const auto& entry) { return entry.name == kAckedFile; };
  if (const auto found = std::find_if(listed->begin(), listed->end(), is_acked);
      found != listed->end()) {
    const auto whole = ReadWhole(files, *found);
    const auto state = whole ? DecodeAcked(whole->bytes) : std::nullopt;
    report.has_acked = state.has_value();
    acked = state.value_or(AckedState{});
  }
  for (const SpoolFiles::Entry& entry : *listed) {
    if (const auto named = ParseSegmentName(entry.name)) {
      const auto mark = acked.sequences.find(named->epoch);
      report.segments.push_back(
          Inspect(files, entry, *named, mark == acked.sequences.end() ? 0 : mark->second));
    } else if (!is_acked(entry)) {
      report.foreign.push_back(entry.name);
    }
  }
  std::sort(report.segments.begin(), report.segments.end(), [](const auto& a, const auto& b) {
    return std::tie(a.kind, a.epoch, a.first, a.file) < std::tie(b.kind, b.epoch, b.first, b.file);
  });
  return report;
}

}  // namespace parallax::sensor
