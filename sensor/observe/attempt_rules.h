// What the evidence of one attempt amounts to, and how long to wait for more: the diagram of
// attempt_tracker.h without time passing. Pure.
#pragma once

#include <string_view>

#include "common/records.h"
#include "common/time.h"
#include "sensor/observe/attempt_table.h"

namespace parallax::sensor {

struct Conclusion {
  AttemptOutcome outcome;
  std::string_view rule;
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

// How long it is remembered after its last segment.
Duration KeepFor(const TrackedAttempt& a);

}  // namespace parallax::sensor
