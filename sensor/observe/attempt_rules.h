// The rules of the attempt tracker: what the evidence gathered on an attempt amounts to, and when.
// sensor/observe/README.md lists them for people; attempt_tracker.h draws the machine. Pure.
#pragma once

#include <string_view>

#include "common/records.h"
#include "sensor/observe/attempt_table.h"

namespace parallax::sensor {

struct Conclusion {
  AttemptOutcome outcome = AttemptOutcome::kUnknown;
  std::string_view rule;      // lives for ever
  bool from_silence = false;  // holds only if nothing was missed
};

// What the evidence amounts to if nothing more comes.
Conclusion Conclude(const TrackedAttempt& a);

// Whether that conclusion needs no more waiting. A repeated SYN-ACK says enough about the path, but
// not about the client: whether its SYN is repeated too tells a host that wants in from a forged
// address. Both timers started within a round trip of each other, so the answer is about to come.
bool IsSettled(const TrackedAttempt& a);

// When to conclude if nothing more comes.
MonoTime ConcludeAt(const TrackedAttempt& a);

// How long an attempt is remembered after its last segment, lest a late one pass for a new attempt.
Duration KeepFor(const TrackedAttempt& a);

}  // namespace parallax::sensor
