// Subcommands for monitoring systems. Whatever goes wrong is UNKNOWN, said on standard output,
// which is all that such a system reads.
#include "collector/cli/answer.h"
#include "collector/cli/check.h"
#include "collector/cli/commands.h"
#include "common/ip.h"

namespace parallax::cli {
namespace {

template <typename Ask, typename Judge>
int Check(const Options& options, std::string_view what, Ask ask, Judge judge) {
  CheckResult result;
  const Result<void> done = WithAnswer(options, ask, [&](const auto& answer) {
    result = judge(answer);
    return Result<void>();
  });
  if (!done) {
    result = CheckFailed(what, done.error());
  }
  Put(stdout, result.text);
  return Flushed() ? static_cast<int>(result.alarm) : static_cast<int>(Alarm::kUnknown);
}

}  // namespace

int CheckSensors(const Options& options, const std::string& group, const CheckLimits& limits) {
  return Check(
      options, "SENSORS", [](Client& client) { return client.Sensors({}); },
      [&](const v1::SensorList& list) { return CheckSensors(list, group, limits); });
}

int CheckIncidents(const Options& options) {
  v1::ListIncidentsRequest request;
  request.set_state("live");
  return Check(
      options, "INCIDENTS", [&](Client& client) { return client.Incidents(request); },
      [](const v1::IncidentList& live) { return CheckIncidents(live); });
}

int CheckTarget(const Options& options, const std::string& address) {
  v1::ListTargetsRequest request;
  request.set_address(address);
  return Check(
      options, "TARGET",
      [&](Client& client) -> Result<v1::TargetList> {
        if (!IpAddress::Parse(address)) {
          return Fail(ErrorCode::kUsage, address + ": not an IPv4 or IPv6 address");
        }
        return client.Targets(request);
      },
      [](const v1::TargetList& list) { return CheckTarget(list.items(0)); });
}

}  // namespace parallax::cli
