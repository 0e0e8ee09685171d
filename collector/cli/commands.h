// The subcommands of `parallax`: ask, print, return the exit code. One thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "collector/cli/check.h"
#include "collector/cli/list_view.h"
#include "collector/cli/place.h"
#include "common/result.h"
#include "common/time.h"

namespace parallax::cli {

enum class Format { kDefault, kTable, kWide, kJson, kJsonl, kCsv, kName };

struct Options {
  Place place;
  Format format = Format::kDefault;  // table, or for a watch into a pipe jsonl
  std::optional<Duration> timeout;   // per question (30 s), or of a watch (none)
  bool all = false;
  uint32_t limit = 0;  // 0: all there is, or one screenful of a table on a terminal
  ListWish list;
};

// Which incidents; what is empty does not matter.
struct IncidentWish {
  std::string state = "all";  // "live", or one of the states
  std::string verdict;
  std::string family;
  std::string sensor;  // that fails to reach something
  std::string group;   // one of whose sensors does
  std::optional<Duration> since;
};

struct TokenOptions {
  std::string group;
  uint32_t uses = 1;
  Duration life = std::chrono::hours(1);
  std::string network;
  std::string replaces;
};

enum class Until { kForever, kOpen, kClosed };

Result<void> ShowStatus(const Options& options);
Result<void> ListSensors(const Options& options, std::optional<Duration> since);
Result<void> ShowSensor(const Options& options, const std::string& name);
Result<void> ListTargets(const Options& options, std::optional<Duration> since);
Result<void> ShowTarget(const Options& options, const std::string& address);
Result<void> ShowMatrix(const Options& options);
Result<void> ListIncidents(const Options& options, const IncidentWish& wish);
Result<void> ShowIncident(const Options& options, const std::string& id);
// Until kOpen (kClosed): ends when a route anomaly opens (closes), or at once if one is open (none
// is live) already.
Result<void> WatchIncidents(const Options& options, Until until);
// The last way that each sensor's packets to `target` were seen to take; `from` "": from all.
Result<void> ShowPath(const Options& options, const std::string& target, const std::string& from);
// Where the way now parts from the one in peace; or, `with` another sensor, from that one's.
Result<void> DiffPaths(const Options& options, const std::string& target, const std::string& from,
                       const std::string& with);
Result<void> TopSyns(const Options& options, const std::string& by, Duration since);
Result<void> ListSynServers(const Options& options, Duration since);

// Who asks, for the collector's log. No proof: the socket's permissions, or a certificate, are
// that.
std::string WhoAmI();

struct ProbeWish {
  std::string target;
  std::string method;  // as ProbeRequest has it
  uint32_t port = 0;
  uint32_t count = 1;
  uint32_t flows = 1;
  std::vector<std::string> from;  // empty: all that are connected
};
// False if some of the sensors that were asked did not answer; kUnavailable if none did.
Result<bool> Probe(const Options& options, const ProbeWish& wish);

// How the collector and its sensors are, and what to do about what is wrong. `config`: also look at
// the files that this collector.toml names; "": do not. Fails if anything does.
Result<void> Doctor(const Options& options, const std::string& config);

// For monitoring systems: prints a line and returns the exit code that check.h tells of.
int CheckSensors(const Options& options, const std::string& group, const CheckLimits& limits);
int CheckIncidents(const Options& options);
int CheckTarget(const Options& options, const std::string& address);

// Who may report: commands_trust.cc.
Result<void> CreateToken(const Options& options, const TokenOptions& token);
Result<void> ListTokens(const Options& options);
Result<void> RevokeToken(const Options& options, const std::string& id);
// `which`: the fingerprint of a request, or the name of a sensor that is drained.
Result<void> ApproveSensor(const Options& options, const std::string& which,
                           const std::string& group, const std::string& name);
Result<void> DrainSensor(const Options& options, const std::string& name);
Result<void> RevokeSensor(const Options& options, const std::string& name);

}  // namespace parallax::cli
