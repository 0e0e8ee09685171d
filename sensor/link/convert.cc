#include "sensor/link/convert.h"

#include <fmt/format.h>

#include "sensor/link/convert_record.h"

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

constexpr Duration kLongestWait = 60s;  // no order of ours asks for more

std::optional<ProbeMethod> FromProto(v1::ProbeMethod method) {
  switch (method) {
    case v1::PROBE_METHOD_ICMP_ECHO:
      return ProbeMethod::kIcmpEcho;
    case v1::PROBE_METHOD_TCP_SYN:
      return ProbeMethod::kTcpSyn;
    case v1::PROBE_METHOD_UDP:
      return ProbeMethod::kUdp;
    default:
      return std::nullopt;
  }
}

std::optional<IpAddress> Address(const std::string& bytes) {
  return IpAddress::FromBytes({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
}

// What a try of an order asks for, or why it cannot be done.
Result<ProbeTry> FromProto(const v1::ProbeTry& probe) {
  const auto method = FromProto(probe.method());
  const bool ports = method != ProbeMethod::kIcmpEcho;
  if (!method || (ports && (probe.port() == 0 || probe.port() > 65535))) {
    return Fail(ErrorCode::kFailure, "a try has an unknown method or no port");
  }
  if (probe.flow() > 65535) {
    return Fail(ErrorCode::kFailure, "a try names a flow beyond 65535");
  }
  return ProbeTry{*method, static_cast<uint16_t>(ports ? probe.port() : 0),
                  static_cast<uint16_t>(probe.flow())};
}

Result<Order> ReadProbeOrder(const v1::ProbeOrder& order) {
  const auto target = Address(order.target());
  if (!target) {
    return Fail(ErrorCode::kFailure, "target is not 4 or 16 bytes");
  }
  if (order.tries().empty() || static_cast<size_t>(order.tries_size()) > kMaxTries) {
    return Fail(ErrorCode::kFailure, fmt::format("needs 1 to {} tries", kMaxTries));
  }
  const auto longest = static_cast<uint64_t>(kLongestWait.count());
  if (order.start_after_nanos() > longest || order.spacing_nanos() > longest ||
      order.timeout_nanos() > longest || order.timeout_nanos() == 0) {
    return Fail(ErrorCode::kFailure, "waits must be at most 60 s, the time-out more than 0");
  }
  ProbeOrder out;
  out.id = order.id();
  out.target = *target;
  out.start_after = Duration(order.start_after_nanos());
  out.spacing = Duration(order.spacing_nanos());
  out.timeout = Duration(order.timeout_nanos());
  out.every = order.every();
  for (const v1::ProbeTry& probe : order.tries()) {
    const auto attempt = FromProto(probe);
    if (!attempt) {
      return tl::make_unexpected(attempt.error());
    }
    out.tries.push_back(*attempt);
  }
  return out;
}

Result<Order> ReadPathOrder(const v1::PathOrder& order) {
  const auto target = Address(order.target());
  if (!target) {
    return Fail(ErrorCode::kFailure, "target is not 4 or 16 bytes");
  }
  const auto attempt = FromProto(order.attempt());
  if (!attempt) {
    return tl::make_unexpected(attempt.error());
  }
  return PathOrder{order.id(), *target, *attempt};
}

}  // namespace

v1::Hello ToProto(const SensorHello& hello) {
  v1::Hello out;
  out.set_protocol(kLeastLinkProtocol);
  out.set_highest_protocol(hello.protocol);
  out.set_version(Text(hello.version));
  for (const uint64_t epoch : hello.epochs) {
    out.add_epochs(epoch);
  }
  for (const IpAddress& address : hello.addresses) {
    out.add_addresses(Bytes(address));
  }
  for (const Prefix& prefix : hello.local_networks) {
    FillPrefix(prefix, out.add_local_networks());
  }
  return out;
}

v1::Health ToProto(const SensorHealth& health) {
  v1::Health out;
  for (const InterfaceHealth& interface : health.interfaces) {
    v1::InterfaceHealth* to = out.add_interfaces();
    to->set_name(Text(interface.name));
    to->set_state(Text(interface.state));
    to->set_packets_received(interface.packets_received);
    to->set_packets_dropped(interface.packets_dropped);
  }
  for (const GatewayHealth& gateway : health.gateways) {
    v1::GatewayHealth* to = out.add_gateways();
    to->set_address(Bytes(gateway.address));
    to->set_reach(gateway.reach == Reach::kUp     ? v1::REACH_UP
                  : gateway.reach == Reach::kDown ? v1::REACH_DOWN
                                                  : v1::REACH_UNKNOWN);
    to->set_asked(gateway.asked);
    to->set_answered(gateway.answered);
  }
  out.set_syns_seen(health.syns_seen);
  out.set_packets_dropped(health.packets_dropped);
  out.set_probes_sent(health.probes_sent);
  out.set_probes_refused(health.probes_refused);
  out.set_spool_records(health.spool_records);
  out.set_spool_bytes(health.spool_bytes);
  out.set_records_dropped(health.records_dropped);
  out.set_attempts_evicted(health.attempts_evicted);
  out.set_segments_unsampled(health.segments_unsampled);
  out.set_probing(health.probing);
  out.set_probing_problem(Text(health.probing_problem));
  out.set_spool_problem(Text(health.spool_problem));
  if (health.said_at) {
    out.set_said_at(static_cast<uint64_t>(ToUnixNanos(*health.said_at)));
  }
  return out;
}

Result<Order> FromProto(const v1::Order& order) {
  const bool probe = order.has_probe();
  if (!probe && !order.has_path()) {
    return Fail(ErrorCode::kFailure, "an order of an unknown kind");
  }
  Result<Order> out = probe ? ReadProbeOrder(order.probe()) : ReadPathOrder(order.path());
  if (!out) {
    return Fail(ErrorCode::kFailure,
                fmt::format("order {}: {}", probe ? order.probe().id() : order.path().id(),
                            out.error().message));
  }
  return out;
}

}  // namespace parallax::sensor
