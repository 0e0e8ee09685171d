// What is in a spool's folder, read without changing anything, also while a sensor uses it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/records.h"
#include "common/result.h"
#include "common/time.h"
#include "sensor/spool/spool_files.h"

namespace parallax::sensor {

struct SegmentReport {
  std::string file;
  RecordClass kind = RecordClass::kBulk;
  uint64_t epoch = 0;
  uint64_t bytes = 0;
  uint64_t records = 0;
  uint64_t waiting = 0;  // of them, not acknowledged
  uint64_t first = 0;    // sequences; 0: no record
  uint64_t last = 0;
  std::optional<WallTime> oldest;  // when the first of them was appended
  std::optional<WallTime> newest;
  uint64_t missing = 0;        // sequences between first and last that are not there
  uint64_t damaged_bytes = 0;  // that are no record; a tail that was being written is one, too
  bool header_ok = true;
  std::string problem;  // why it could not be read; empty: it could

  bool ok() const { return problem.empty() && header_ok && missing == 0 && damaged_bytes == 0; }
};

struct SpoolReport {
  std::vector<SegmentReport> segments;  // by class, epoch and sequence
  bool has_acked = false;               // the file of acknowledgements is there and whole
  std::vector<std::string> foreign;     // files that are none of ours
};

Result<SpoolReport> InspectSpool(SpoolFiles& files);

}  // namespace parallax::sensor
