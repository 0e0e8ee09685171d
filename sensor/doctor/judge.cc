#include "sensor/doctor/judge.h"

#include <fmt/format.h>

#include <algorithm>

namespace parallax::sensor {
namespace {

CheckLine TooSlow(std::string check, Duration waited, std::string fix) {
  return {std::move(check), Finding::kWarn,
          fmt::format("not finished within {:.0f} s", ToSeconds(waited)), std::move(fix)};
}

bool Answers(const CollectorFacts& facts) {
  return std::ranges::any_of(
      facts.dials, [](const DialFacts& dial) { return dial.step == DialFacts::Step::kDone; });
}

void AddInterfaces(const SensorFacts& facts, std::vector<CheckLine>& lines) {
  if (!facts.interfaces) {
    lines.push_back(TooSlow("interfaces", facts.waited, "ip -s link"));
    return;
  }
  if (facts.interfaces->problem) {
    lines.push_back(
        {"interfaces", Finding::kFail, facts.interfaces->problem->message, "ip -s link"});
    return;
  }
  if (facts.interfaces->items.empty()) {
    lines.push_back({"interfaces", Finding::kFail,
                     "none is up and has an address, and capture.interfaces names none",
                     "ip -br address"});
  }
  for (const InterfaceFacts& interface : facts.interfaces->items) {
    lines.push_back(JudgeInterface(interface, facts.interfaces->want_promiscuous));
  }
}

void AddWay(const SensorFacts& facts, std::vector<CheckLine>& lines) {
  if (facts.way) {
    lines.push_back(JudgeGateways(*facts.way, Family::kV4));
    lines.push_back(JudgeGateways(*facts.way, Family::kV6));
  } else {
    lines.push_back(TooSlow("gateways", facts.waited, "ip route show default"));
  }
  lines.push_back(facts.loopback ? JudgeLoopback(*facts.loopback)
                                 : TooSlow("raw sockets", facts.waited, "nft list ruleset"));
}

}  // namespace

std::vector<CheckLine> JudgeSensor(const SensorFacts& facts) {
  std::vector<CheckLine> lines;
  lines.push_back({"configuration", Finding::kOk, facts.config_file + ": is sound", {}});
  lines.push_back(JudgeCa(facts.identity));
  lines.push_back(JudgeCertificate(facts.identity));
  lines.push_back(JudgeKey(facts.identity));
  lines.push_back(JudgePrivilege(facts.person, facts.program, facts.config_file));
  AddInterfaces(facts, lines);
  lines.push_back(JudgePolicy(facts.policy));
  lines.push_back(facts.spool ? JudgeSpool(*facts.spool)
                              : TooSlow("spool", facts.waited, "dmesg --level err,warn"));
  lines.push_back(JudgeClock(facts.clock, facts.collectors));
  for (const CollectorFacts& collector : facts.collectors) {
    const bool others = std::ranges::any_of(facts.collectors, [&](const CollectorFacts& other) {
      return &other != &collector && Answers(other);
    });
    lines.push_back(JudgeCollector(collector, others));
  }
  AddWay(facts, lines);
  return lines;
}

}  // namespace parallax::sensor
