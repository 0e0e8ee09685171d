// `parallax-collector ca`: one CA makes way for another, step by step, while everything runs; and
// the collector's own certificate makes way for the next.
#pragma once

#include <string>

#include "common/result.h"
#include "common/time.h"

namespace parallax::collector {

enum class CaAction { kShow, kAnnounce, kSwitch, kRetire, kRenew };

struct CaOptions {
  CaAction action = CaAction::kShow;
  std::string config_path;
  bool force = false;  // also if somebody would be cut off
};

// Does the step and returns what to print: how things stand, and the next step. kFailure, naming
// who, if somebody would be cut off by it.
Result<std::string> RunCa(const CaOptions& options, WallTime now);

}  // namespace parallax::collector
