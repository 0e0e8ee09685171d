// The network around a sensor, and what the kernel lets it do there.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "sensor/doctor/judge.h"

namespace parallax::sensor {
namespace {

std::string Millis(Duration d) { return fmt::format("{:.1f} ms", ToMillis(d)); }

std::string_view NameOf(Family family) { return family == Family::kV4 ? "IPv4" : "IPv6"; }

std::string Describe(const DialFacts& dial) {
  const std::string to = dial.address.ToString();
  switch (dial.step) {
    case DialFacts::Step::kConnect:
      return fmt::format("{}: TCP does not connect, after {}: {}", to, Millis(dial.connected_in),
                         dial.problem);
    case DialFacts::Step::kHandshake:
      return fmt::format("{}: TCP connects in {}, but the TLS handshake fails after {}: {}", to,
                         Millis(dial.connected_in), Millis(dial.handshake_in), dial.problem);
    case DialFacts::Step::kAnswer:
      return fmt::format(
          "{}: TCP connects in {}, its certificate is right, but it does not accept ours: {}", to,
          Millis(dial.connected_in), dial.problem);
    case DialFacts::Step::kDone:
      break;
  }
  return dial.tls_tried ? fmt::format("{}: TCP in {}, TLS in {}, both certificates are accepted",
                                      to, Millis(dial.connected_in), Millis(dial.handshake_in))
                        : fmt::format(
                              "{}: TCP in {}; TLS was not tried, as this sensor's own "
                              "files do not hold",
                              to, Millis(dial.connected_in));
}

std::string FixOf(const CollectorFacts& facts, const DialFacts& dial) {
  if (dial.step != DialFacts::Step::kConnect) {
    return "on the collector's host: parallax doctor";
  }
  return dial.problem.find("refused") != std::string::npos
             ? "on the collector's host: parallax-collector run --config collector.toml"
             : fmt::format("parallax-sensor probe trace {} --port {}", dial.address.ToString(),
                           facts.where.port);
}

}  // namespace

CheckLine JudgePrivilege(const PersonFacts& person, const std::string& program,
                         const std::string& config_file) {
  if (person.net_raw) {
    return {"privilege", Finding::kOk, "CAP_NET_RAW is here: may capture and probe", {}};
  }
  if (person.uid == 0) {
    return {"privilege", Finding::kFail,
            "root, but without CAP_NET_RAW: the container or the service unit takes it away",
            "give it back, in a unit with AmbientCapabilities=CAP_NET_RAW; see: grep Cap "
            "/proc/self/status"};
  }
  return {"privilege", Finding::kWarn,
          fmt::format("user {} has no CAP_NET_RAW, which the sensor needs: capture and raw sockets "
                      "were not looked at",
                      person.uid),
          fmt::format("sudo {} doctor --config {}", ShellWord(program), ShellWord(config_file))};
}

CheckLine JudgeInterface(const InterfaceFacts& facts, bool want_promiscuous) {
  CheckLine line{"interface " + facts.name, Finding::kOk, {}, {}};
  const std::string name = ShellWord(facts.name);
  const auto say = [&](Finding finding, std::string says, std::string fix) {
    line.finding = finding;
    line.says = std::move(says);
    line.fix = std::move(fix);
    return line;
  };
  if (!facts.exists) {
    return say(Finding::kFail, "there is none of that name on this host",
               "see which there are, and name them in capture.interfaces: ip -br link");
  }
  if (!facts.up) {
    return say(Finding::kFail, "is down", fmt::format("ip link set {} up", name));
  }
  if (!facts.carrier) {
    return say(Finding::kWarn, "is up, but nothing is plugged in at the other end (no carrier)",
               "ip -s link show dev " + name);
  }
  if (facts.capture_problem) {
    const bool permission = facts.capture_problem->code == ErrorCode::kPermission;
    return say(permission ? Finding::kWarn : Finding::kFail,
               (permission ? "is up; not looked at for packets: "
                           : "is up, but cannot be listened "
                             "to: ") +
                   facts.capture_problem->message,
               permission ? "run this as root" : "ip -s link show dev " + name);
  }
  if (facts.dropped > 0) {
    return say(Finding::kWarn,
               fmt::format("the kernel dropped {} packets in {} for want of room in the ring",
                           facts.dropped, Millis(facts.looked)),
               "make it larger: capture.ring_mib in sensor.toml");
  }
  if (want_promiscuous && !facts.promiscuous) {
    return say(Finding::kWarn, "is up, but does not go into promiscuous mode, as configured",
               fmt::format("ip link set {} promisc on", name));
  }
  if (facts.frames == 0) {
    return say(Finding::kWarn,
               fmt::format("is up, but no frame came in within {}; {} since it is there",
                           Millis(facts.looked), facts.frames_ever),
               "ip -s link show dev " + name);
  }
  std::string says = fmt::format("is up, {} frames in {}{}, none dropped", facts.frames,
                                 Millis(facts.looked), want_promiscuous ? ", promiscuous" : "");
  if (facts.missed_ever > 0) {
    return say(
        Finding::kWarn,
        fmt::format("{}; but its driver has missed {} since it is there", says, facts.missed_ever),
        "ip -s -s link show dev " + name);
  }
  return say(Finding::kOk, std::move(says), {});
}

CheckLine JudgeClock(const ClockFacts& facts, const std::vector<CollectorFacts>& collectors) {
  const CollectorFacts* furthest = nullptr;
  for (const CollectorFacts& one : collectors) {
    if (one.clock && (furthest == nullptr || std::chrono::abs(one.clock->ahead) >
                                                 std::chrono::abs(furthest->clock->ahead))) {
      furthest = &one;
    }
  }
  std::string compared = "no collector was asked for the time, so the clocks were not compared";
  if (furthest != nullptr) {
    const CollectorClock& there = *furthest->clock;
    const Duration apart = std::chrono::abs(there.ahead);
    if (apart - there.uncertainty > kClockTolerated) {
      return {
          "clock", Finding::kWarn,
          fmt::format("is {} {} that of the collector {}", FormatAge(apart),
                      there.ahead > Duration{} ? "ahead of" : "behind", furthest->where.ToString()),
          "see which of the two is wrong, and set it right: timedatectl status"};
    }
    compared = fmt::format("it is {} from the collector's, give or take {}", Millis(apart),
                           Millis(there.uncertainty));
  }
  if (!facts.synchronised) {
    return {"clock", Finding::kWarn, "the kernel does not tell whether it is set; " + compared,
            "timedatectl status"};
  }
  if (!*facts.synchronised) {
    return {
        "clock", Finding::kWarn,
        "nothing keeps this host's clock right (the kernel calls it unsynchronised); " + compared,
        "timedatectl set-ntp true"};
  }
  return {"clock", Finding::kOk, "is kept synchronised; " + compared, {}};
}

CheckLine JudgeCollector(const CollectorFacts& facts, bool others_answer) {
  CheckLine line{"collector " + facts.where.ToString(), Finding::kOk, {}, {}};
  const Finding bad = others_answer ? Finding::kWarn : Finding::kFail;
  const std::string host = ShellWord(facts.where.host);
  if (facts.resolve_problem) {
    line.finding = bad;
    line.says = fmt::format("the name is not resolved, after {}: {}", Millis(facts.resolved_in),
                            *facts.resolve_problem);
    line.fix = "getent ahosts " + host;
    return line;
  }
  if (!facts.finished && facts.dials.empty()) {
    line.finding = bad;
    line.says = fmt::format("the name is not resolved within {}", Millis(facts.waited));
    line.fix = "getent ahosts " + host;
    return line;
  }
  std::vector<std::string> parts;
  const DialFacts* failed = nullptr;
  size_t reached = 0;
  bool untried = false;
  for (const DialFacts& dial : facts.dials) {
    parts.push_back(Describe(dial));
    if (dial.step == DialFacts::Step::kDone) {
      ++reached;
      untried |= !dial.tls_tried;
    } else if (failed == nullptr) {
      failed = &dial;
    }
  }
  line.says = fmt::format("{}", fmt::join(parts, "; "));
  if (failed != nullptr) {
    line.finding = reached > 0 ? Finding::kWarn : bad;
    line.fix = FixOf(facts, *failed);
  } else if (facts.refusal) {
    line.finding = bad;
    line.says += "; but it does not let this sensor in: " + *facts.refusal;
    line.fix = "on the collector's host: parallax sensor list";
  } else if (untried) {
    line.finding = Finding::kWarn;
    line.fix = "mend what is said above of certificate and key, and run this again";
  }
  return line;
}

CheckLine JudgeGateways(const WayFacts& facts, Family family) {
  CheckLine line{fmt::format("gateway {}", NameOf(family)), Finding::kOk, {}, {}};
  const char digit = family == Family::kV4 ? '4' : '6';
  std::vector<std::string> parts;
  bool up = false;
  bool down = false;
  const GatewayHealth* first_bad = nullptr;
  for (const GatewayHealth& gateway : facts.gateways) {
    if (gateway.address.family() != family) {
      continue;
    }
    const std::string to = gateway.address.ToString();
    if (gateway.reach == Reach::kUp) {
      up = true;
      parts.push_back(gateway.answered > 0 ? to + " answers"
                                           : to + " is known to the neighbour table");
      continue;
    }
    first_bad = first_bad == nullptr ? &gateway : first_bad;
    down |= gateway.reach == Reach::kDown;
    parts.push_back(to + (gateway.reach == Reach::kDown ? " does not answer"
                                                        : ": nothing was heard of it yet"));
  }
  if (parts.empty()) {
    if (!(family == Family::kV4 ? facts.has_v4 : facts.has_v6)) {
      line.says = fmt::format("this host has no {} address beyond its link, and needs none",
                              NameOf(family));
      return line;
    }
    line.finding = Finding::kWarn;
    line.says = fmt::format("no default route with a gateway: {} hosts elsewhere cannot be probed",
                            NameOf(family));
    line.fix = fmt::format("ip -{} route add default via ADDRESS", digit);
    return line;
  }
  line.says = fmt::format("{}", fmt::join(parts, ", "));
  if (first_bad != nullptr) {
    line.finding = up || !down ? Finding::kWarn : Finding::kFail;
    line.fix = fmt::format("ip -{0} route show default; ip -{0} neigh show {1}", digit,
                           first_bad->address.ToString());
  }
  return line;
}

CheckLine JudgeLoopback(const LoopbackFacts& facts) {
  if (!facts.problem) {
    return {"raw sockets",
            Finding::kOk,
            "an echo request to 127.0.0.1 by the way that probes take is answered in " +
                Millis(facts.rtt),
            {}};
  }
  if (facts.problem->code == ErrorCode::kPermission) {
    return {"raw sockets", Finding::kWarn, "not looked at: " + facts.problem->message,
            "run this as root"};
  }
  return {"raw sockets", Finding::kFail, facts.problem->message,
          "ip link set lo up; see what filters there are: nft list ruleset"};
}

}  // namespace parallax::sensor
