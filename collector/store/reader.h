// Questions about what is stored, for operators. A connection of its own that cannot write; each
// question is one short snapshot with a time limit (kUnavailable when it is exceeded). One Reader
// per thread; any number of Readers beside the one writer.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "collector/detect/model.h"
#include "collector/enrol/records.h"
#include "collector/store/database.h"
#include "collector/store/ops.h"
#include "common/result.h"
#include "common/time.h"

namespace parallax::collector {

struct StatusCounts {
  std::map<std::string, uint32_t> sensors;    // state -> number
  std::map<std::string, uint32_t> targets;    // verdict -> number
  std::map<std::string, uint32_t> incidents;  // live ones: verdict -> number
  uint64_t attempts_total = 0;
  uint64_t reports_total = 0;
  uint64_t attempts_last_minute = 0;
  uint64_t half_open_last_minute = 0;
  uint64_t database_bytes = 0;
};

struct TargetView {
  TargetRecord target;
  std::vector<CellRecord> cells;  // by sensor name; one for every known sensor
};
struct TargetPage {
  std::vector<TargetView> items;  // by address
  uint64_t total = 0;
};

struct IncidentFilter {
  std::optional<uint64_t> number;
  std::optional<IncidentState> state;
  bool live_only = false;  // all but closed
};
struct IncidentPage {
  std::vector<IncidentRecord> items;  // newest first
  uint64_t total = 0;
  uint64_t last_event = 0;  // of the same snapshot: what comes later is news
};

struct IncidentEventView {
  uint64_t event = 0;
  IncidentChange change;
};

enum class SynKey { kSource, kDestination, kPort };
struct SynTopRow {
  std::string key;
  uint64_t attempts = 0;
  uint64_t pending = 0;
  uint64_t completed = 0;
  uint64_t half_open = 0;
  uint64_t unanswered = 0;
  uint64_t refused = 0;
  uint64_t unknown = 0;
  uint64_t sensors = 0;  // that saw it
  WallTime last_seen;    // by the collector's clock
};
struct SynTopPage {
  std::vector<SynTopRow> items;  // most attempts first
  uint64_t total = 0;            // different keys
  bool truncated = false;        // older attempts of the window were left out
};

struct ServerReportView {
  SensorName sensor;
  WallTime window_end;  // by the collector's clock
  ServerReport report;
};
struct ServerReportPage {
  std::vector<ServerReportView> items;  // highest SYN rate first
  uint64_t total = 0;
  bool truncated = false;  // older reports of the window were left out
};

struct PathView {
  SensorName sensor;
  WallTime at;              // when it was traced, by the collector's clock
  bool remembered = false;  // from the atlas: only the target and the hops say something
  PathReport report;
};
struct PathPage {
  std::vector<PathView> items;  // traces, newest first; then what is remembered, by sensor
  uint64_t total = 0;
};

class Reader {
 public:
  static Result<std::unique_ptr<Reader>> Open(const std::string& path, Duration time_limit);

  Result<StatusCounts> Status(WallTime now);
  Result<std::vector<SensorRecord>> Sensors(const std::optional<SensorName>& name);
  // Who may report, who waits to be let in, and which tokens there are.
  Result<SavedTrust> Trust();
  // All that ever connected, by name, with what they said they go by.
  Result<std::vector<KnownSensor>> KnownSensors();
  Result<TargetPage> Targets(const std::optional<IpAddress>& address, uint64_t limit);
  Result<IncidentPage> Incidents(const IncidentFilter& filter, uint64_t limit);
  // Oldest first.
  Result<std::vector<IncidentEventView>> EventsAfter(uint64_t event, uint64_t limit);
  // Attempts received since `since`, of which the newest million are counted.
  Result<SynTopPage> TopSyns(SynKey key, WallTime since, uint64_t limit);
  // The latest report of each server and sensor whose window ended since `since`. Of the reports
  // received since then the newest million are looked at.
  Result<ServerReportPage> LatestServerReports(WallTime since, uint64_t limit);
  // Ways to the target, from one sensor or from all.
  Result<PathPage> Paths(const IpAddress& target, const std::optional<SensorName>& sensor,
                         uint64_t limit);
  // The highest sequence stored for (sensor, epoch); 0 if none.
  Result<uint64_t> HighWater(const SensorName& sensor, uint64_t epoch);

 private:
  Reader(std::unique_ptr<Database> db, Duration time_limit)
      : db_(std::move(db)), time_limit_(time_limit) {}
  // Runs `ask` within one snapshot and the time limit.
  template <typename Ask>
  auto InSnapshot(Ask ask) -> decltype(ask());
  Result<std::map<std::string, uint32_t>> CountBy(std::string_view sql);
  // The first row of a log to look at: received since `since`, and one of the newest million.
  struct Start {
    int64_t id = 0;
    bool truncated = false;  // there are older ones since then
  };
  Result<Start> StartIn(std::string_view log, WallTime since);
  Result<int64_t> FirstSince(std::string_view log, WallTime since);

  std::unique_ptr<Database> db_;
  const Duration time_limit_;
};

}  // namespace parallax::collector
