// `parallax-sensor spool list|verify`: what waits for the collector, and whether its files are
// whole.
#pragma once

#include <string>

#include "sensor/spool/spool_report.h"

namespace parallax::sensor {

enum class SpoolAction { kList, kVerify };
enum class SpoolOutput { kTable, kJson };

struct SpoolCommandOptions {
  SpoolAction action = SpoolAction::kList;
  std::string config;  // sensor.toml
  SpoolOutput output = SpoolOutput::kTable;
};

// Prints to standard output. The exit code: 0, or 1 if verify found damage.
int RunSpoolCommand(const SpoolCommandOptions& options);

// What is printed.
std::string ListText(const SpoolReport& report, const std::string& folder, WallTime now);
std::string VerifyText(const SpoolReport& report, const std::string& folder);
std::string SpoolJson(const SpoolReport& report, SpoolAction action, const std::string& folder);

}  // namespace parallax::sensor
