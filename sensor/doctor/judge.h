// What is to be said of the facts that `parallax-sensor doctor` has gathered: a line each. Pure.
// A line fails if the sensor cannot do its work because of that; it warns if it can for now, or if
// the thing could not be looked at.
#pragma once

#include <vector>

#include "common/checkup.h"
#include "sensor/doctor/facts.h"

namespace parallax::sensor {

std::vector<CheckLine> JudgeSensor(const SensorFacts& facts);

// Parts of it. Of files:
CheckLine JudgeCa(const IdentityFacts& facts);
CheckLine JudgeCertificate(const IdentityFacts& facts);
CheckLine JudgeKey(const IdentityFacts& facts);
CheckLine JudgePolicy(const PolicyFacts& facts);
CheckLine JudgeSpool(const SpoolFacts& facts);
// Of this host:
CheckLine JudgePrivilege(const PersonFacts& person, const std::string& program,
                         const std::string& config_file);
CheckLine JudgeInterface(const InterfaceFacts& facts, bool want_promiscuous);
CheckLine JudgeClock(const ClockFacts& facts, const std::vector<CollectorFacts>& collectors);
// Of the network. `others_answer`: another address of the collector does.
CheckLine JudgeCollector(const CollectorFacts& facts, bool others_answer);
CheckLine JudgeGateways(const WayFacts& facts, Family family);
CheckLine JudgeLoopback(const LoopbackFacts& facts);

}  // namespace parallax::sensor
