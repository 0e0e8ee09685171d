// A ledger of a hundred probes, and a way to open one: for tests.
#pragma once

#include <gtest/gtest.h>

#include "sensor/probe/wire/ledger.h"
#include "tests/unit/sensor/probe/test_probes.h"

namespace parallax::sensor::test {

inline constexpr PortRange kPorts{61440, 65535};

class LedgerTest : public testing::Test {
 protected:
  Probe Open(const ProbeTry& attempt, const char* target = "198.51.100.7", uint8_t ttl = 0) {
    return *ledger.Open(Ip(target), 0, attempt, ttl, {ProbeOwner::Kind::kSweep, 2, 77}, now);
  }
  const IpAddress kRouter = Ip("203.0.113.1");
  const ProbeTagger tagger{{1, 2}, {3, 4}, kPorts};
  ProbeLedger ledger{tagger, 100};
  MonoTime now{1000s};
};

}  // namespace parallax::sensor::test
