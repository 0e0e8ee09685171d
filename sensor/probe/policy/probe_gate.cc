#include "sensor/probe/policy/probe_gate.h"

#include <algorithm>
#include <numeric>

namespace parallax::sensor {
namespace {

PaceRates RatesOf(const std::optional<Policy>& policy, double extra_limit) {
  const Policy& p = policy ? *policy : Policy();
  PaceRates rates{p.packets_per_second, p.per_prefix_per_second, p.per_target_per_second};
  if (extra_limit > 0) {
    // Well below the policy's rate it is no cap but a wish: as exact as can be.
    const bool wish = extra_limit * kPaceMargin * kPaceMargin <= rates.all;
    rates.all = wish ? extra_limit * kPaceMargin : std::min(rates.all, extra_limit);
  }
  return rates;
}

}  // namespace

ProbeGate::ProbeGate(ProbeLedger& ledger, const std::optional<Policy>& policy, double extra_limit)
    : ledger_(ledger),
      policy_(policy),
      extra_limit_(extra_limit),
      pacer_(RatesOf(policy, extra_limit)) {}

void ProbeGate::SetPolicy(const std::optional<Policy>& policy) {
  policy_ = policy;
  pacer_.SetRates(RatesOf(policy, extra_limit_));
}

uint64_t ProbeGate::refused() const {
  return std::accumulate(refusals_.begin(), refusals_.end(), uint64_t{0});
}

GateAnswer ProbeGate::Refuse(Refusal refusal) {
  ++refusals_[static_cast<size_t>(refusal)];
  return {.word = GateWord::kRefused, .refusal = refusal};
}

Refusal ProbeGate::Judge(const IpAddress& target, const ProbeTry& attempt, bool limited_ttl) const {
  return policy_ ? Check(*policy_, target, attempt, limited_ttl) : Refusal::kNoPolicy;
}

GateAnswer ProbeGate::Ask(const ProbeRequest& request, MonoTime now,
                          std::vector<ProbeSend>& sends) {
  Refusal refusal = Refusal::kNone;
  if (request.own_gateway && policy_) {
    refusal = policy_->deny.Contains(request.target)
                  ? Refusal::kDenied
                  : CheckMethod(*policy_, request.attempt, false);
  } else {
    refusal = Judge(request.target, request.attempt, request.ttl != 0);
  }
  if (refusal != Refusal::kNone) {
    return Refuse(refusal);
  }
  const Pacer::Word pace = pacer_.Next(request.target, now);
  if (pace.at > now) {
    return {.word = GateWord::kLater, .at = pace.at, .limit = pace.limit};
  }
  const auto probe =
      ledger_.Open(request.target, request.scope, request.attempt, request.ttl, request.owner, now);
  if (!probe) {
    return {.word = GateWord::kFull};
  }
  pacer_.Take(request.target, now);
  sends.push_back({*probe, request.owner});
  return {.word = GateWord::kSent, .probe_id = probe->id};
}

}  // namespace parallax::sensor
