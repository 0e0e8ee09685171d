#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>

#include "collector/cli/doctor.h"
#include "common/records.h"

namespace parallax::cli {
namespace {

constexpr size_t kMostNamed = 8;
constexpr uint64_t kFewDrops = 1000;    // of so many packets one may be lost
constexpr uint64_t kFewWaiting = 5000;  // records that a healthy sensor may have on their way

// Sensors for which `is` holds, each with what `why` says of it.
struct Named {
  std::vector<std::string> names;  // as many as are shown
  std::string first;
  size_t count = 0;
  std::string text() const {
    return fmt::format(
        "{}{}", fmt::join(names, ", "),
        count > names.size() ? fmt::format(" and {} more", count - names.size()) : "");
  }
};

Named Those(const v1::SensorList& list, const std::function<bool(const v1::Sensor&)>& is,
            const std::function<std::string(const v1::Sensor&)>& why) {
  Named named;
  for (const v1::Sensor& sensor : list.items()) {
    if (!is(sensor)) {
      continue;
    }
    if (named.count++ == 0) {
      named.first = sensor.name();
    }
    if (named.names.size() < kMostNamed) {
      const std::string reason = why(sensor);
      named.names.push_back(sensor.name() + (reason.empty() ? "" : " (" + reason + ")"));
    }
  }
  return named;
}

bool IsThere(const v1::Sensor& sensor) { return sensor.state() == "connected"; }

uint64_t PacketsOf(const v1::Sensor& sensor) {
  uint64_t packets = 0;
  for (const auto& interface : sensor.interfaces()) {
    packets += interface.packets_received();
  }
  return packets;
}

CheckLine Presence(const v1::SensorList& list) {
  const size_t there = static_cast<size_t>(std::ranges::count_if(list.items(), IsThere));
  const auto all = static_cast<size_t>(list.items_size());
  CheckLine line{"sensors", Finding::kOk, fmt::format("{} of {} connected", there, all), {}};
  if (all == 0) {
    return {"sensors", Finding::kWarn, "none has ever connected",
            "parallax-collector add-sensor NAME --group GROUP --config collector.toml --out NAME"};
  }
  const Named gone = Those(
      list, [](const v1::Sensor& s) { return s.state() == "lost"; },
      [](const v1::Sensor& s) { return s.problem(); });
  const Named isolated = Those(
      list, [](const v1::Sensor& s) { return s.state() == "isolated"; },
      [](const v1::Sensor& s) { return s.problem(); });
  if (there == 0) {
    line.finding = Finding::kFail;
    line.fix = "on a sensor's host: parallax-sensor doctor --config sensor.toml";
  }
  if (gone.count + isolated.count > 0) {
    line.finding = there == 0 ? Finding::kFail : Finding::kWarn;
    if (gone.count > 0) {
      line.says += "; lost: " + gone.text();
    }
    if (isolated.count > 0) {
      line.says += "; isolated: " + isolated.text();
    }
    line.fix = fmt::format("on {}: parallax-sensor doctor --config sensor.toml",
                           gone.count > 0 ? gone.first : isolated.first);
  }
  return line;
}

// "OK, none" or a warning that names them.
CheckLine Judge(std::string check, const std::string& none, const std::string& some,
                const Named& named, const std::string& fix) {
  if (named.count == 0) {
    return {std::move(check), Finding::kOk, none, {}};
  }
  return {std::move(check), Finding::kWarn, some + ": " + named.text(),
          fmt::format(fmt::runtime(fix), named.first)};
}

}  // namespace

std::vector<CheckLine> JudgeSensors(const v1::SensorList& list) {
  std::vector<CheckLine> lines = {Presence(list)};
  if (std::ranges::none_of(list.items(), IsThere)) {
    return lines;  // what the others said last is no news
  }
  const std::string look = "on {}: parallax-sensor doctor --config sensor.toml";
  lines.push_back(Judge("probing", "every connected sensor probes", "do not probe",
                        Those(
                            list, [](const v1::Sensor& s) { return IsThere(s) && !s.probing(); },
                            [](const v1::Sensor& s) { return s.probing_problem(); }),
                        look));
  lines.push_back(
      Judge("troubles", "no connected sensor has any", "have a trouble of their own",
            Those(
                list, [](const v1::Sensor& s) { return IsThere(s) && !s.problem().empty(); },
                [](const v1::Sensor& s) { return s.problem(); }),
            look));
  lines.push_back(
      Judge("packet drops", "no connected sensor loses many", "the kernel drops packets at",
            Those(
                list,
                [](const v1::Sensor& s) {
                  return IsThere(s) &&
                         s.packets_dropped() > (PacketsOf(s) + s.packets_dropped()) / kFewDrops;
                },
                [](const v1::Sensor& s) { return fmt::format("{}", s.packets_dropped()); }),
            "on {}: raise capture.ring_mib in sensor.toml"));
  lines.push_back(
      Judge("clocks", "every connected sensor's is within 5 s of the collector's",
            "have clocks that differ from the collector's",
            Those(
                list,
                [](const v1::Sensor& s) {
                  return IsThere(s) && std::abs(s.clock_offset_nanos()) > kClockTolerated.count();
                },
                [](const v1::Sensor& s) {
                  return fmt::format("{} {}", FormatAge(Duration(std::abs(s.clock_offset_nanos()))),
                                     s.clock_offset_nanos() < 0 ? "behind" : "ahead");
                }),
            "on {}: timedatectl set-ntp true"));
  lines.push_back(
      Judge("spool disks", "every connected sensor's spool is on disk",
            "keep their spools in memory, for want of a disk",
            Those(
                list, [](const v1::Sensor& s) { return IsThere(s) && !s.spool_problem().empty(); },
                [](const v1::Sensor& s) { return s.spool_problem(); }),
            look));
  lines.push_back(Judge(
      "spools", "all are nearly empty", "keep much that is not stored yet",
      Those(
          list, [](const v1::Sensor& s) { return IsThere(s) && s.spool_records() > kFewWaiting; },
          [](const v1::Sensor& s) {
            return fmt::format("{}, {} records", SizeText(s.spool_bytes()), s.spool_records());
          }),
      "parallax sensor show {}"));
  lines.push_back(
      Judge("records lost", "no connected sensor has thrown any away",
            "have thrown records away, as their spools were full",
            Those(
                list, [](const v1::Sensor& s) { return IsThere(s) && s.records_dropped() > 0; },
                [](const v1::Sensor& s) { return fmt::format("{}", s.records_dropped()); }),
            "parallax sensor show {}"));
  return lines;
}

}  // namespace parallax::cli
