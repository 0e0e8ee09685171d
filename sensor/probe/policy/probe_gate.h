// The one way a probe gets out: the policy first, then the pacer, then an entry in the ledger. Who
// wants to probe asks here for every single packet, and what the gate lets pass is sent at once.
// Pure; owned by the probe thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "sensor/probe/policy/pacer.h"
#include "sensor/probe/policy/policy.h"
#include "sensor/probe/wire/ledger.h"

namespace parallax::sensor {

struct ProbeRequest {
  IpAddress target;
  ProbeTry attempt;
  uint8_t ttl = 0;  // 0: kDefaultTtl; else the probe is meant to end on its way (a trace)
  ProbeOwner owner;
  // The host's own gateway: it need not be among what the policy allows, but must not be denied.
  bool own_gateway = false;
  uint32_t scope = 0;  // interface index of a link-local gateway
};

// A probe to put on the wire at once.
struct ProbeSend {
  Probe probe;
  ProbeOwner owner;
};

enum class GateWord : uint8_t { kSent, kLater, kRefused, kFull };

struct GateAnswer {
  GateWord word = GateWord::kRefused;
  uint64_t probe_id = 0;              // kSent
  MonoTime at{};                      // kLater: not before
  PaceLimit limit = PaceLimit::kAll;  // kLater: whose
  Refusal refusal = Refusal::kNone;   // kRefused
};

class ProbeGate {
 public:
  // Without a policy everything is refused (kNoPolicy). `extra_limit`: a rate over all below the
  // policy's, for example --rate; 0: none.
  ProbeGate(ProbeLedger& ledger, const std::optional<Policy>& policy, double extra_limit = 0);

  // kSent: the probe is in `sends` and in the ledger, and is to be sent before anything else
  // happens. kFull: too many probes are in flight.
  GateAnswer Ask(const ProbeRequest& request, MonoTime now, std::vector<ProbeSend>& sends);

  // A probe that counted when it was asked for has left only now: it counts once more.
  void CountAgain(const IpAddress& target, MonoTime now) { pacer_.Take(target, now); }

  // What the policy says of such a probe. Counts nothing.
  Refusal Judge(const IpAddress& target, const ProbeTry& attempt, bool limited_ttl) const;

  // Another policy from here on, or none.
  void SetPolicy(const std::optional<Policy>& policy);
  const std::optional<Policy>& policy() const { return policy_; }

  MonoTime NextForAll() const { return pacer_.NextForAll(); }
  // Over all, packets a second.
  double rate() const { return pacer_.rates().all; }
  // By Refusal; kNone counts nothing.
  const std::array<uint64_t, kRefusals>& refusals() const { return refusals_; }
  uint64_t refused() const;

  ProbeLedger& ledger() { return ledger_; }

 private:
  GateAnswer Refuse(Refusal refusal);

  ProbeLedger& ledger_;
  std::optional<Policy> policy_;
  double extra_limit_;
  Pacer pacer_;
  std::array<uint64_t, kRefusals> refusals_{};
};

}  // namespace parallax::sensor
