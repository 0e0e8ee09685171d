#include "sensor/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>

#include "common/result.h"
#include "common/time.h"
#include "common/usage.h"

namespace parallax::sensor {
namespace {

constexpr Duration kLongestWait = std::chrono::hours(1);
constexpr uint16_t kDefaultTcpPort = 443;
constexpr uint16_t kDefaultUdpPort = 33434;  // as traceroute's

// "500ms", "2s"; a bare number counts seconds.
CLI::Validator DurationInto(Duration& value, Duration least, Duration most) {
  return CLI::Validator(
      [&value, least, most](std::string& text) -> std::string {
        const bool bare = text.find_first_not_of("0123456789.") == std::string::npos;
        const auto parsed = ParseDuration(bare ? text + "s" : text);
        if (!parsed) {
          return parsed.error().message;
        }
        if (*parsed < least || *parsed > most) {
          return fmt::format("{}: not between {} and {}", text, FormatDuration(least),
                             FormatDuration(most));
        }
        value = *parsed;
        return {};
      },
      "DURATION");
}

void AddEnrollOptions(CLI::App& app, EnrollOptions& options) {
  app.add_option("--config", options.config, "sensor.toml; made if there is none")->required();
  app.add_option("--collector", options.collector, "HOST:PORT of the collector's HTTPS port (8443)")
      ->required();
  app.add_option("--ca-pin", options.ca_pin, "sha256:HEX, as parallax-collector init printed it")
      ->required();
  app.add_option("--token-file", options.token_file,
                 "A file with the token; \"-\" for standard input. Without: wait until an operator "
                 "approves the key");
  app.add_option("--name", options.name, "The sensor's name; default: this host's, in lower case");
}

// What all that probe have in common.
void AddProbeOptions(CLI::App& app, ProbeCommandOptions& options, std::string& output) {
  app.add_option("targets", options.targets.words, "Addresses, prefixes or names");
  app.add_option("-f,--file", options.targets.files,
                 "A file with one target a line; \"-\" for standard input; may be repeated")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--rate", options.rate,
                 "Packets a second in all; default and limit: the policy's packets_per_second")
      ->check(CLI::Range(0.001, 1e7));
  app.add_option("-o,--output", output, "table, jsonl or csv")
      ->check(CLI::IsMember({"table", "jsonl", "csv"}));
  app.add_option("--policy", options.policy_file,
                 "What may be probed, and how fast; default: $PARALLAX_POLICY, else " +
                     std::string(kDefaultPolicyFile));
  app.add_flag("--unprivileged", options.unprivileged, "Do without raw sockets");
  auto* v4 = app.add_flag_callback(
      "-4", [&options] { options.targets.family = Family::kV4; },
      "IPv4 only: of names that address; others are an error");
  app.add_flag_callback(
         "-6", [&options] { options.targets.family = Family::kV6; },
         "IPv6 only: of names that address; others are an error")
      ->excludes(v4);
}

void AddSweepOptions(CLI::App& app, SweepOptions& sweep, std::array<std::string, 2>& durations) {
  app.add_option("--flows", sweep.flows,
                 "Ask each target over so many flows, to find one broken branch of several")
      ->check(CLI::Range(1, 4096));
  auto* count =
      app.add_option(
             "--count", sweep.count,
             "Probes to each target, over each flow; default: up to three, until one is answered")
          ->check(CLI::Range(1, 1'000'000));
  app.add_option("--timeout", durations[0], "How long a probe waits for its answer (1s)")
      ->check(DurationInto(sweep.timeout, Duration(1), kLongestWait));
  app.add_option("--interval", durations[1], "With --count: between two probes of a flow (1s)")
      ->check(DurationInto(sweep.interval, Duration(1), kLongestWait))
      ->needs(count);
}

void AddTraceOptions(CLI::App& app, TraceCommandOptions& options, MultipathOptions& multipath,
                     std::string& method, std::string& timeout) {
  TraceOptions& trace = options.trace;
  app.add_option("--method", method, "icmp, tcp or udp; default: icmp, or tcp with --port")
      ->check(CLI::IsMember({"icmp", "tcp", "udp"}));
  app.add_option("--first-ttl", trace.first_ttl, "Begin there (1)")->check(CLI::Range(1, 255));
  app.add_option("--max-ttl", trace.max_ttl, "Go no further (30)")->check(CLI::Range(1, 255));
  app.add_option("--count", trace.probes, "Probes to each hop (3)")->check(CLI::Range(1, 1000));
  app.add_option("--gap", trace.gap_limit, "So many silent hops in a row end it (5)")
      ->check(CLI::Range(1, 255));
  app.add_option("--timeout", timeout, "How long a probe waits for its answer (1s)")
      ->check(DurationInto(trace.timeout, kShortestHopWait, kLongestHopWait));
  auto* flows =
      app.add_option("--flows", multipath.most_flows,
                     "Find all ways that flows take, with up to so many at a hop (MDA-lite)")
          ->check(CLI::Range(1, 4096));
  app.add_option("--confidence", multipath.confidence, "With --flows: that none is missed (0.95)")
      ->check(CLI::Range(0.5, 0.9999))
      ->needs(flows);
  app.add_option("--past", options.past,
                 "Only ask whether the path leaves past this hop, e.g. the border router; needs no "
                 "answer of the target")
      ->delimiter(',')
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->excludes(flows);
}

ProbeOutput OutputOf(const std::string& name) {
  return name == "jsonl" ? ProbeOutput::kJsonl
         : name == "csv" ? ProbeOutput::kCsv
                         : ProbeOutput::kTable;
}

}  // namespace

Command ParseCommandLine(int argc, char** argv) {
  CLI::App app{
      "The sensor of Parallax: watches TCP connection attempts and probes for its collector.\n"
      "\n"
      "Without a collector:\n"
      "  parallax-sensor capture --interface eth0\n"
      "  parallax-sensor capture --read trace.pcap --handshakes -o jsonl\n"
      "  parallax-sensor capture --read trace.pcap --filter 'net 192.0.2.0/24 and port 25'\n"
      "  parallax-sensor probe ping 192.0.2.0/24 mail.example.net\n"
      "  parallax-sensor probe tcp 192.0.2.25 --port 25 --flows 48\n"
      "  parallax-sensor probe trace 192.0.2.25 --port 25\n"
      "With one (which prints these lines in full):\n"
      "  parallax-sensor enroll --config /etc/parallax/sensor.toml --collector noc.example:8443 "
      "\\\n"
      "      --ca-pin sha256:HEX --token-file token\n"
      "  parallax-sensor run --config /etc/parallax/sensor.toml",
      "parallax-sensor"};
  app.set_version_flag("--version", std::string("parallax-sensor ") + PARALLAX_VERSION);
  app.require_subcommand(1);

  RunCommand run;
  CLI::App* run_app = app.add_subcommand("run", "Run the sensor in the foreground");
  run_app->add_option("--config", run.config, "sensor.toml")->required();

  CheckConfigCommand check;
  CLI::App* check_app =
      app.add_subcommand("check-config", "Read a configuration and say what is wrong with it");
  check_app->add_option("--config", check.config, "sensor.toml")->required();

  DoctorCommand doctor;
  std::string doctor_output = "table";
  CLI::App* doctor_app = app.add_subcommand(
      "doctor", "Look at all that the sensor lives by, and say what to do about what is wrong");
  doctor_app->add_option("--config", doctor.options.config, "sensor.toml")->required();
  doctor_app->add_option("-o,--output", doctor_output, "table or json")
      ->check(CLI::IsMember({"table", "json"}));

  EnrollCommand enroll;
  CLI::App* enroll_app = app.add_subcommand(
      "enroll",
      "Get this host's certificate from its collector: a key is made here and stays here");
  AddEnrollOptions(*enroll_app, enroll.options);

  CaptureCommand capture;
  std::string output = "table";
  CLI::App* capture_app =
      app.add_subcommand("capture", "Print SYN and SYN-ACK segments, live or from a file");
  auto* source = capture_app->add_option_group("source");
  source->add_option("--read", capture.options.read_file,
                     "A pcap or pcapng file; \"-\" for standard input");
  source->add_option("--interface", capture.options.interfaces,
                     "Capture live on this interface; may be repeated");
  source->require_option(1);
  capture_app->add_option(
      "--filter", capture.options.filter,
      "Only what matches this pcap-filter(7) expression, e.g. 'net 192.0.2.0/24'; "
      "with --handshakes let both directions through");
  capture_app->add_option("-o,--output", output, "table or jsonl")
      ->check(CLI::IsMember({"table", "jsonl"}));
  auto* handshakes =
      capture_app->add_flag("--handshakes", capture.options.handshakes,
                            "One record per connection attempt, with what became of it");
  capture_app
      ->add_flag("--announcements", capture.options.announcements,
                 "Instead, one record per gateway that somebody offers: RIP, RIPng, OSPF hello, "
                 "router advertisements, ICMP redirects, DHCP")
      ->excludes(handshakes);
  capture_app->add_option("--count", capture.options.count, "Stop after this many records")
      ->check(CLI::Range(int64_t{1}, std::numeric_limits<int64_t>::max()));
  capture_app->add_flag("--promiscuous", capture.options.promiscuous,
                        "See frames for other hosts too, as on a mirror port");

  CLI::App* probe_app =
      app.add_subcommand("probe", "Ask hosts whether they are there, within the local policy");
  probe_app->require_subcommand(1);
  ProbeCommand probe;
  std::string probe_output = "table";
  std::array<std::string, 2> durations;
  CLI::App* ping_app = probe_app->add_subcommand("ping", "ICMP echo");
  CLI::App* tcp_app =
      probe_app->add_subcommand("tcp", "TCP SYN: a SYN-ACK or a reset of the target means up");
  CLI::App* udp_app = probe_app->add_subcommand(
      "udp", "UDP: a reply or \"port unreachable\" of the target means up");
  CLI::App* trace_app = probe_app->add_subcommand(
      "trace", "The way that packets take, hop by hop (Paris traceroute)");
  TraceCommand trace;
  std::string trace_method;
  for (CLI::App* each : {ping_app, tcp_app, udp_app}) {
    AddProbeOptions(*each, probe.options, probe_output);
    AddSweepOptions(*each, probe.options.sweep, durations);
  }
  AddProbeOptions(*trace_app, trace.options.probe, probe_output);
  MultipathOptions multipath;
  multipath.most_flows = 1;
  AddTraceOptions(*trace_app, trace.options, multipath, trace_method, durations[0]);
  uint16_t port = 0;  // 0: the default
  for (CLI::App* each : {tcp_app, udp_app, trace_app}) {
    each->add_option("--port", port, "Destination port (tcp: 443, udp: 33434)")
        ->check(CLI::Range(1, 65535));
  }

  CLI::App* spool_app =
      app.add_subcommand("spool", "What waits for the collector in the spool's folder");
  spool_app->require_subcommand(1);
  SpoolCommand spool;
  std::string spool_output = "table";
  CLI::App* spool_list = spool_app->add_subcommand("list", "How much, of which class, how old");
  CLI::App* spool_verify =
      spool_app->add_subcommand("verify", "Whether its files are whole; exit code 1 if not");
  for (CLI::App* each : {spool_list, spool_verify}) {
    each->add_option("--config", spool.options.config, "sensor.toml")->required();
    each->add_option("-o,--output", spool_output, "table or json")
        ->check(CLI::IsMember({"table", "json"}));
  }

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {  // --help, --version
    return Leave{app.exit(help)};
  } catch (const CLI::ParseError& error) {
    return Leave{ReportFailure("parallax-sensor", UsageError(app, error))};
  }
  if (run_app->parsed()) {
    return run;
  }
  if (check_app->parsed()) {
    return check;
  }
  if (spool_app->parsed()) {
    spool.options.action = spool_verify->parsed() ? SpoolAction::kVerify : SpoolAction::kList;
    spool.options.output = spool_output == "json" ? SpoolOutput::kJson : SpoolOutput::kTable;
    return spool;
  }
  if (doctor_app->parsed()) {
    doctor.options.json = doctor_output == "json";
    return doctor;
  }
  if (enroll_app->parsed()) {
    return enroll;
  }
  if (std::isnan(probe.options.rate) || std::isnan(trace.options.probe.rate)) {
    return Leave{ReportFailure("parallax-sensor", {ErrorCode::kUsage, "--rate: not a number"})};
  }
  if (probe.options.sweep.flows > 1 && probe.options.sweep.count > UINT16_MAX) {
    return Leave{ReportFailure("parallax-sensor",
                               {ErrorCode::kUsage, "--count with --flows: at most 65535"})};
  }
  const auto set_method = [port](SweepOptions& sweep, ProbeMethod method) {
    sweep.method = method;
    sweep.port = method == ProbeMethod::kIcmpEcho ? uint16_t{0}
                 : port != 0                      ? port
                 : method == ProbeMethod::kTcpSyn ? kDefaultTcpPort
                                                  : kDefaultUdpPort;
  };
  if (trace_app->parsed()) {
    trace.options.probe.output = OutputOf(probe_output);
    if (trace.options.trace.first_ttl > trace.options.trace.max_ttl) {
      return Leave{
          ReportFailure("parallax-sensor", {ErrorCode::kUsage, "--first-ttl is beyond --max-ttl"})};
    }
    const bool tcp = trace_method == "tcp" || (trace_method.empty() && port != 0);
    if (trace_method == "icmp" && port != 0) {
      return Leave{ReportFailure("parallax-sensor", {ErrorCode::kUsage, "ICMP has no ports"})};
    }
    set_method(trace.options.probe.sweep, tcp                     ? ProbeMethod::kTcpSyn
                                          : trace_method == "udp" ? ProbeMethod::kUdp
                                                                  : ProbeMethod::kIcmpEcho);
    if (multipath.most_flows > 1) {
      trace.options.multipath = multipath;
    }
    return trace;
  }
  if (probe_app->parsed()) {
    probe.options.output = OutputOf(probe_output);
    set_method(probe.options.sweep, tcp_app->parsed()   ? ProbeMethod::kTcpSyn
                                    : udp_app->parsed() ? ProbeMethod::kUdp
                                                        : ProbeMethod::kIcmpEcho);
    return probe;
  }
  capture.options.output = output == "jsonl" ? CaptureOutput::kJsonl : CaptureOutput::kTable;
  return capture;
}

}  // namespace parallax::sensor
