#include "sensor/probe_tools.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <thread>

#include "sensor/privilege.h"
#include "sensor/probe/policy/policy_file.h"
#include "sensor/probe/ports/plain_port.h"
#include "sensor/probe/ports/raw_port.h"
#include "sensor/probe/probe_engine.h"

namespace parallax::sensor {
namespace {

// Identifiers take a socket each without privilege.
constexpr uint16_t kPlainIds = 64;
// Below this a batch is so small that sending it elsewhere gains nothing.
constexpr double kWorthAHelper = 20'000;
constexpr uint64_t kManyProbes = 4096;

}  // namespace

ProbeTools::ProbeTools(const Policy& policy, PortRange ports, PortRange icmp_ids,
                       const ProbeToolsOptions& options)
    : tagger_(StableFlowKey("probe"), RandomHashKey(), ports, icmp_ids),
      // Half as many again as are in flight are remembered, to know late answers by.
      ledger_(tagger_, options.most_in_flight + options.most_in_flight / 2),
      gate_(ledger_, policy, options.rate) {}

Result<std::unique_ptr<ProbeTools>> ProbeTools::Open(const ProbeToolsOptions& options) {
  const auto policy = LoadPolicy(options.policy_file);
  if (!policy) {
    return tl::make_unexpected(policy.error());
  }
  const PortRange ports = ProbePorts(EphemeralPorts());
  std::unique_ptr<ProbeTools> tools;
  const auto make = [&](PortRange icmp_ids) {
    tools.reset(new ProbeTools(*policy, ports, icmp_ids, options));
  };
  make({0, 65535});
  const ProbeText text(policy->contact);
  auto raw = options.unprivileged
                 ? Result<std::unique_ptr<RawPort>>(Fail(ErrorCode::kPermission, ""))
                 : RawPort::Open(ports, tools->tagger_.udp_ports());
  if (raw) {
    (*raw)->SetText(text);
    const double rate = options.rate > 0 ? std::min(options.rate, policy->packets_per_second)
                                         : policy->packets_per_second;
    if (rate > kWorthAHelper && options.probes > kManyProbes &&
        std::thread::hardware_concurrency() > 1) {
      (*raw)->UseSecondSender();
    }
    tools->port_ = std::move(*raw);
  } else if (raw.error().code == ErrorCode::kPermission) {
    // Another first identifier than that of whoever else probes from here.
    const auto first =
        static_cast<uint16_t>(1024 + RandomHashKey()[0] % (65536 - 1024 - kPlainIds));
    make({first, static_cast<uint16_t>(first + kPlainIds - 1)});
    auto plain = PlainPort::Open(text);
    if (!plain) {
      return tl::make_unexpected(plain.error());
    }
    const auto missing = (*plain)->Missing(options.method);
    if ((*plain)->availability(options.method, Family::kV4) != 0 &&
        (*plain)->availability(options.method, Family::kV6) != 0) {
      return Fail(
          ErrorCode::kPermission,
          fmt::format("no right to open raw sockets (run as root, or with CAP_NET_RAW), and "
                      "without them {}",
                      missing.front()));
    }
    tools->notice_ =
        fmt::format("without raw sockets (CAP_NET_RAW):\n  {}", fmt::join(missing, "\n  "));
    tools->port_ = std::move(*plain);
  } else {
    return tl::make_unexpected(raw.error());
  }
  if (const uint32_t most = tools->tagger_.Flows(options.method); options.flows > most) {
    return Fail(ErrorCode::kUsage, fmt::format("--flows {}: there are {} to a target by {} here",
                                               options.flows, most, ToString(options.method)));
  }
  if (const auto dropped = DropPrivileges(KeepCapability::kNone); !dropped) {
    return tl::make_unexpected(dropped.error());
  }
  tools->loop_.emplace(*tools->port_, tools->gate_);
  return tools;
}

std::string ProbeTools::Summary(Duration took) const {
  const AnswerCounts& counts = ledger_.counts();
  const uint64_t sent = loop_->sent();
  std::string text = fmt::format(
      "{} probe{} in {:.2f} s ({:.0f}/s); answers: {} in time, {} late, {} duplicate, {} forged, "
      "{} "
      "foreign\n",
      sent, sent == 1 ? "" : "s", ToSeconds(took),
      static_cast<double>(sent) / std::max(1e-9, ToSeconds(took)), counts.accepted, counts.late,
      counts.duplicate, counts.forged, counts.foreign);
  const auto& refusals = gate_.refusals();
  for (size_t i = 0; i < refusals.size(); ++i) {
    if (refusals[i] > 0) {
      text += fmt::format("{} refused: {}\n", refusals[i], Describe(static_cast<Refusal>(i)));
    }
  }
  return text;
}

}  // namespace parallax::sensor
