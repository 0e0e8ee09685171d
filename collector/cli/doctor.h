// What `parallax doctor` makes of the collector's answers and of the files on this host: a line for
// each check. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/checkup.h"
#include "common/result.h"
#include "parallax/v1/operator.pb.h"

namespace parallax::cli {

// The files that a collector.toml on this host names.
struct LocalFiles {
  std::string config_file;
  std::optional<Error> config_problem;
  std::optional<Error> identity_problem;  // why CA, certificate and key do not hold together
  std::string key_file;
  std::optional<unsigned> key_mode;
};

struct CollectorFacts {
  std::string socket;
  std::optional<LocalFiles> files;  // absent: not asked for
  // The answers, or why there are none. Sensors are not asked for if the first question fails.
  Result<v1::Status> status = Fail(ErrorCode::kFailure, "not asked");
  Result<v1::SensorList> sensors = Fail(ErrorCode::kFailure, "not asked");
  std::string version;  // of this command
};

std::vector<CheckLine> JudgeCollector(const CollectorFacts& facts);

// The part that is about sensors (doctor_sensors.cc).
std::vector<CheckLine> JudgeSensors(const v1::SensorList& list);

}  // namespace parallax::cli
