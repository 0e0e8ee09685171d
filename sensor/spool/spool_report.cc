#include "sensor/spool/spool_report.h"

#include <algorithm>
#include <tuple>

#include "sensor/spool/spool_format.h"

namespace parallax::sensor {
namespace {

constexpr size_t kLargestFile = size_t{16} << 20;

SegmentReport Inspect(SpoolFiles& files, const SpoolFiles::Entry& entry, const SegmentHeader& named,
                      uint64_t acked) {
  SegmentReport report;
  report.file = entry.name;
  report.kind = named.kind;
  report.epoch = named.epoch;
  report.bytes = entry.size;
  const auto file = files.Open(entry.name);
  const auto bytes = file ? (*file)->Read(0, std::min<uint64_t>(entry.size, kLargestFile))
                          : Result<std::string>(tl::make_unexpected(file.error()));
  if (!bytes) {
    report.problem = bytes.error().message;
    return report;
  }
  const auto header = DecodeHeader(*bytes);
  report.header_ok = header && header->kind == named.kind && header->epoch == named.epoch &&
                     header->first_sequence == named.first_sequence;
  const std::string_view all = *bytes;
  RecordReader reader(all.substr(std::min(all.size(), kSegmentHeaderBytes)),
                      named.first_sequence - 1);
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
  if (std::any_of(listed->begin(), listed->end(), is_acked)) {
    const auto file = files.Open(std::string(kAckedFile));
    const auto bytes = file ? (*file)->Read(0, 2 * kAckedSlotBytes)
                            : Result<std::string>(tl::make_unexpected(file.error()));
    const auto state = bytes ? DecodeAcked(*bytes) : std::nullopt;
    report.has_acked = state.has_value();
    acked = state.value_or(AckedState{});
    report.clean_stop = acked.clean_stop;
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
