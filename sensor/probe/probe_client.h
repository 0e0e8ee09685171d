// Who probes: a pure machine that asks the gate for each packet it wants to send, and is told what
// came of it. The engine owns one of each kind and routes by ProbeOwner::kind.
#pragma once

#include <optional>
#include <vector>

#include "common/time.h"
#include "sensor/probe/policy/probe_gate.h"
#include "sensor/probe/wire/answer.h"

namespace parallax::sensor {

class ProbeClient {
 public:
  virtual ~ProbeClient() = default;

  // Does all that is due: puts at most `most` probes into `sends`, by way of the gate.
  virtual void Advance(const Moment& now, size_t most, std::vector<ProbeSend>& sends) = 0;

  // An answer that the ledger matched to a probe of this client.
  virtual void OnAnswer(const ProbeMatch& match, const Answer& answer, const Moment& now) = 0;

  // A probe handed out by Advance could not be sent.
  virtual void OnSendError(const ProbeOwner& owner, int error, const Moment& now) = 0;

  // When Advance has something to do next; nullopt: not before an answer.
  virtual std::optional<MonoTime> NextDeadline() const = 0;
};

// What an error from somebody else than the target says of the probe.
ProbeState StateOf(ErrorMeaning meaning);

// The kernel's refusal to send, in a few words: "no route to the target".
std::string DescribeSendError(int error);
// The kernel has no way there, as opposed to being short of something.
bool SaysUnreachable(int error);

}  // namespace parallax::sensor
