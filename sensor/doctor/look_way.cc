#include <poll.h>

#include <algorithm>
#include <atomic>
#include <stop_token>

#include "common/siphash.h"
#include "sensor/capture/interfaces.h"
#include "sensor/doctor/look.h"
#include "sensor/probe/ports/raw_port.h"
#include "sensor/probe/probe_engine.h"
#include "sensor/probe/wire/ledger.h"

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kLookAgain = 20ms;
constexpr size_t kInFlight = 4;

void AddFamilies(WayFacts& facts) {
  const auto host = ListInterfaces();
  if (!host) {
    return;
  }
  static const Prefix link_local = *Prefix::Parse("fe80::/10");
  for (const HostInterface& interface : *host) {
    for (const InterfaceAddress& own : interface.addresses) {
      if (!interface.loopback && interface.up && !link_local.Contains(own.address)) {
        (own.address.is_v4() ? facts.has_v4 : facts.has_v6) = true;
      }
    }
  }
}

// Until something is there to be read, for a moment.
void WaitForAny(const std::vector<int>& descriptors, std::chrono::milliseconds most) {
  std::vector<pollfd> wanted;
  for (const int fd : descriptors) {
    wanted.push_back({fd, POLLIN, 0});
  }
  poll(wanted.data(), wanted.size(), static_cast<int>(most.count()));
}

}  // namespace

struct GatewayLook::Impl {
  Result<std::unique_ptr<ProbeEngine>> engine;
  bool has_policy = false;
  std::stop_source stop;
  std::atomic<bool> probing_over = false;
};

GatewayLook::GatewayLook(const Result<Policy>& policy) : impl_(std::make_unique<Impl>()) {
  ProbeEngineOptions options;
  if (policy) {
    options.policy = *policy;
  } else {
    options.policy_problem = policy.error().message;
  }
  options.flow_key = StableFlowKey("doctor");
  impl_->has_policy = policy.has_value();
  impl_->engine = ProbeEngine::Open(std::move(options));
}

GatewayLook::~GatewayLook() = default;

void GatewayLook::Probe() {
  if (impl_->engine) {
    (*impl_->engine)->Run([](const Record&) {}, impl_->stop.get_token());
  }
}

WayFacts GatewayLook::Wait(MonoTime deadline) {
  WayFacts facts;
  AddFamilies(facts);
  if (!impl_->engine) {
    facts.raw_problem = impl_->engine.error();
    return facts;
  }
  // The neighbour table may know it before it has answered.
  bool probing = false;
  const auto undecided = [&](const GatewayHealth& gateway) {
    return gateway.reach != Reach::kUp || (probing && gateway.answered == 0);
  };
  ProbeHealth health = (*impl_->engine)->Health();
  probing = health.probing;
  // Without a default route there is nothing to wait for but the first look at the table.
  const MonoTime first_look = Now().mono + 1s;
  while (Now().mono < deadline &&
         (health.gateways.empty() ? Now().mono < first_look
                                  : std::ranges::any_of(health.gateways, undecided))) {
    WaitForAny({}, kLookAgain);
    health = (*impl_->engine)->Health();
  }
  impl_->stop.request_stop();
  facts.gateways = health.gateways;
  facts.asked = health.probing;
  if (!health.probing && impl_->has_policy) {
    facts.raw_problem = Error{ErrorCode::kPermission, health.problem};
  }
  return facts;
}

LoopbackFacts LookAtLoopback(MonoTime deadline) {
  LoopbackFacts facts;
  const PortRange ports = ProbePorts(EphemeralPorts());
  const ProbeTagger tagger(StableFlowKey("doctor"), RandomHashKey(), ports);
  auto port = RawPort::Open(ports, tagger.udp_ports());
  if (!port) {
    facts.problem = port.error();
    return facts;
  }
  ProbeLedger ledger(tagger, kInFlight);
  const IpAddress self = *IpAddress::Parse("127.0.0.1");
  // No policy is asked: it does not leave this host.
  const auto probe =
      ledger.Open(self, 0, {ProbeMethod::kIcmpEcho, 0, 0}, kDefaultTtl, {}, Now().mono);
  std::vector<SendOutcome> outcomes;
  (*port)->Send({&*probe, 1}, outcomes);
  for (const SendOutcome& outcome : outcomes) {
    if (outcome.error != 0) {
      facts.problem = ErrnoError("an echo request to 127.0.0.1 cannot be sent", outcome.error);
      return facts;
    }
  }
  std::optional<Duration> rtt;
  while (!rtt && Now().mono < deadline) {
    WaitForAny((*port)->descriptors(), kLookAgain);
    (*port)->Receive([&](const Answer& answer, MonoTime received) {
      if (const auto match = ledger.OnAnswer(answer, received)) {
        rtt = match->rtt;
      }
    });
  }
  if (!rtt) {
    facts.problem = Error{ErrorCode::kUnavailable,
                          "an echo request to 127.0.0.1 by the way that probes take is not "
                          "answered: a packet filter, or the loopback interface is down"};
  }
  facts.rtt = rtt.value_or(Duration{});
  return facts;
}

}  // namespace parallax::sensor
