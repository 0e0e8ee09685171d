// `parallax`: what operators type. Words and options only; the work is in commands.cc.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "collector/cli/check.h"
#include "collector/cli/commands.h"
#include "collector/cli/completion.h"
#include "common/fd.h"
#include "common/usage.h"

namespace parallax::cli {
namespace {

constexpr const char* kDefaultSocket = "/run/parallax/operator.sock";

std::string FromEnvironment(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : otherwise;
}

Place DefaultPlace() {
  return {FromEnvironment("PARALLAX_SOCKET", kDefaultSocket),
          FromEnvironment("PARALLAX_COLLECTOR", ""), FromEnvironment("PARALLAX_IDENTITY", "")};
}

Duration ReadDuration(const std::string& option, const std::string& text) {
  auto duration = ParseDuration(text);
  if (!duration || *duration <= Duration{}) {
    throw CLI::ValidationError(option, "\"" + text + "\" is no time; write it as 30s, 5m or 2h");
  }
  return *duration;
}

struct CommandLine {
  CommandLine();
  int Run(int argc, char** argv);

  CLI::App app{"See what the Parallax collector sees: sensors, targets, incidents.", "parallax"};
  Options options;
  std::string name;
  std::string config;
  std::string from_sensor;
  std::string with_sensor;
  std::string group;
  std::string given_name;
  TokenOptions token;
  IncidentWish which;
  std::string by = "src";
  Duration since = std::chrono::minutes(5);
  std::optional<Duration> lately;
  bool until_open = false;
  bool until_closed = false;
  CheckLimits limits;
  ProbeWish probe;
  std::string trace_by = "icmp";
  bool from_all = false;
  std::vector<std::string> words;
  int exit_code = 0;
  std::function<Result<void>()> command;

 private:
  Result<void> RunProbe();
  CLI::App* Noun(const char* noun, const char* help);
  CLI::App* Verb(CLI::App* parent, const char* verb, const char* help,
                 std::function<Result<void>()> action);
  void AddLimit(CLI::App* verb);
  void AddSince(CLI::App* verb);
  // What every list has: which fields, in which order.
  CLI::App* AddListing(CLI::App* verb);
  // Shows only items whose `field` is the option's value.
  void AddFilter(CLI::App* verb, const char* option, Condition::Kind kind, const char* field,
                 const char* help);
  void AddLately(CLI::App* verb, const char* help);
  void AddTrust(CLI::App* sensor);
  void AddProbe();
  void AddChecks();
  void AddCompletion();
};

CLI::App* CommandLine::Noun(const char* noun, const char* help) {
  CLI::App* added = app.add_subcommand(noun, help);
  added->require_subcommand(1);
  return added;
}

CLI::App* CommandLine::Verb(CLI::App* parent, const char* verb, const char* help,
                            std::function<Result<void>()> action) {
  CLI::App* added = parent->add_subcommand(verb, help);
  added->callback([this, action = std::move(action)] { command = action; });
  return added;
}

void CommandLine::AddLimit(CLI::App* verb) {
  auto* limit = verb->add_option("--limit", options.limit, "At most so many")
                    ->check(CLI::Range(1u, 100'000u));
  verb->add_flag("--all", options.all, "All there are, also on a terminal")->excludes(limit);
}

void CommandLine::AddSince(CLI::App* verb) {
  verb->add_option_function<std::string>(
          "--since", [this](const std::string& text) { since = ReadDuration("--since", text); },
          "How far back (default 5m)")
      ->type_name("TIME");
}

CLI::App* CommandLine::AddListing(CLI::App* verb) {
  verb->add_option("--columns", options.list.columns,
                   "These fields, in this order (-o json shows all)")
      ->delimiter(',')
      ->type_name("FIELD,...");
  verb->add_option("--sort", options.list.sort, "By this field; -FIELD: the largest first")
      ->type_name("FIELD");
  verb->add_flag_callback(
      "--no-header", [this] { options.list.header = false; }, "No line of headings");
  return verb;
}

void CommandLine::AddFilter(CLI::App* verb, const char* option, Condition::Kind kind,
                            const char* field, const char* help) {
  verb->add_option_function<std::vector<std::string>>(
          option,
          [this, kind, field](const std::vector<std::string>& values) {
            options.list.where.push_back({kind, field, values});
          },
          help)
      ->delimiter(',');
}

void CommandLine::AddLately(CLI::App* verb, const char* help) {
  verb->add_option_function<std::string>(
          "--since", [this](const std::string& text) { lately = ReadDuration("--since", text); },
          help)
      ->type_name("TIME");
}

void CommandLine::AddTrust(CLI::App* sensor) {
  CLI::App* approve =
      Verb(sensor, "approve",
           "Let in a sensor that waits, by its key; or ask one that is drained to probe again",
           [this] { return ApproveSensor(options, name, group, given_name); });
  approve->add_option("FINGERPRINT|NAME", name, "sha256:HEX as its host shows; or a sensor's name")
      ->required();
  approve->add_option("--group", group, "Its department or segment");
  approve->add_option("--name", given_name, "Another name than it asks for");
  Verb(sensor, "drain", "Keep its link and do not ask it to probe; \"approve NAME\" undoes it",
       [this] { return DrainSensor(options, name); })
      ->add_option("NAME", name, "Its name")
      ->required();
  Verb(sensor, "revoke", "Close its stream and refuse its certificates, for good",
       [this] { return RevokeSensor(options, name); })
      ->add_option("NAME", name, "Its name")
      ->required();

  CLI::App* tokens = Noun("token", "What lets new sensors in");
  CLI::App* create = Verb(tokens, "create", "Make a token, and print it: it is shown once",
                          [this] { return CreateToken(options, token); });
  create->add_option("--group", token.group, "The group of the sensors that it lets in")
      ->required();
  create->add_option("--uses", token.uses, "For so many sensors")
      ->check(CLI::Range(1u, 10'000u))
      ->capture_default_str();
  create
      ->add_option_function<std::string>(
          "--ttl", [this](const std::string& text) { token.life = ReadDuration("--ttl", text); },
          "It expires after that (default 1h)")
      ->type_name("TIME");
  create->add_option("--cidr", token.network, "Only for hosts in this prefix");
  create
      ->add_option("--replace", token.replaces,
                   "For the host that takes the place of this sensor, whose certificates are "
                   "refused from then on")
      ->type_name("NAME");
  CLI::App* list = AddListing(
      Verb(tokens, "list", "All tokens, newest first", [this] { return ListTokens(options); }));
  AddFilter(list, "--group", Condition::Kind::kIs, "group", "For sensors of this group");
  AddFilter(list, "--state", Condition::Kind::kIs, "state", "valid, used, expired or revoked");
  Verb(tokens, "revoke", "Make a token worthless", [this] { return RevokeToken(options, name); })
      ->add_option("ID", name, "As in the list")
      ->required();
}

CommandLine::CommandLine() {
  options.place = DefaultPlace();
  app.fallthrough();
  app.require_subcommand(1);
  app.set_version_flag("--version", "parallax " PARALLAX_VERSION);
  auto* socket = app.add_option_function<std::string>(
                        "--socket",
                        [this](const std::string& path) {  // whatever the environment says
                          options.place = {path, {}, {}};
                        },
                        "The collector's socket (or set PARALLAX_SOCKET)")
                     ->default_str(options.place.socket);
  app.add_option("--collector", options.place.collector,
                 "HOST:PORT where it listens for operators (or set PARALLAX_COLLECTOR)")
      ->excludes(socket);
  app.add_option("--identity", options.place.identity,
                 "The folder from parallax-collector add-operator (or set PARALLAX_IDENTITY)")
      ->type_name("DIR");
  const std::map<std::string, Format> formats = {
      {"table", Format::kTable}, {"wide", Format::kWide}, {"json", Format::kJson},
      {"jsonl", Format::kJsonl}, {"csv", Format::kCsv},   {"name", Format::kName}};
  app.add_option_function<std::string>(
         "-o,--output",
         [this, formats](const std::string& text) { options.format = formats.at(text); },
         "table, wide, json, jsonl, csv or name")
      ->check(CLI::IsMember({"table", "wide", "json", "jsonl", "csv", "name"}))
      ->type_name("FORMAT");
  app.add_option_function<std::string>(
         "--timeout",
         [this](const std::string& text) { options.timeout = ReadDuration("--timeout", text); },
         "How long to wait for an answer (default 30s), or to watch")
      ->type_name("TIME");

  Verb(&app, "status", "The collector on one screen", [this] { return ShowStatus(options); });
  Verb(&app, "doctor", "How the collector and its sensors are, and what to do about it",
       [this] { return Doctor(options, config); })
      ->add_option("--config", config, "Look at the files of this collector.toml, too")
      ->type_name("FILE");
  CLI::App* sensor = Noun("sensor", "The daemons that listen and probe");
  CLI::App* sensors = AddListing(
      Verb(sensor, "list", "All sensors", [this] { return ListSensors(options, lately); }));
  AddFilter(sensors, "--group", Condition::Kind::kIs, "group", "Of this group");
  AddFilter(sensors, "--state", Condition::Kind::kIs, "state",
            "connected, lost, pending, approved, drained or revoked");
  AddLately(sensors, "Heard of within this time");
  Verb(sensor, "show", "One sensor", [this] { return ShowSensor(options, name); })
      ->add_option("NAME", name, "Its name")
      ->required();
  AddTrust(sensor);
  CLI::App* target = Noun("target", "The remote hosts that are probed");
  CLI::App* targets = AddListing(Verb(target, "list", "All targets, those in trouble first",
                                      [this] { return ListTargets(options, lately); }));
  AddLimit(targets);
  AddFilter(targets, "--verdict", Condition::Kind::kIs, "verdict", "Such as route_anomaly");
  AddFilter(targets, "--sensor", Condition::Kind::kHas, "reach", "Probed from this sensor");
  AddLately(targets, "Seen within this time");
  Verb(target, "show", "One target, as each sensor sees it",
       [this] { return ShowTarget(options, name); })
      ->add_option("ADDRESS", name, "Its IPv4 or IPv6 address")
      ->required();
  AddLimit(Verb(&app, "matrix", "Which sensor reaches which target",
                [this] { return ShowMatrix(options); }));

  CLI::App* incident = Noun("incident", "What went wrong, and what became of it");
  CLI::App* incidents = Verb(incident, "list", "Incidents, newest first", [this] {
    which.since = lately;
    return ListIncidents(options, which);
  });
  AddListing(incidents);
  AddLimit(incidents);
  incidents->add_option("--state", which.state, "candidate, open, monitoring, closed, live or all")
      ->check(CLI::IsMember({"candidate", "open", "monitoring", "closed", "live", "all"}))
      ->capture_default_str();
  incidents->add_option("--verdict", which.verdict, "Such as route_anomaly");
  incidents->add_option("--family", which.family, "v4, v6 or both")
      ->check(CLI::IsMember({"v4", "v6", "both"}));
  incidents->add_option("--sensor", which.sensor, "In which this sensor fails to reach something");
  incidents->add_option("--group", which.group, "In which a sensor of this group does");
  AddLately(incidents, "That changed within this time");
  Verb(incident, "show", "One incident", [this] { return ShowIncident(options, name); })
      ->add_option("ID", name, "Such as INC-7")
      ->required();
  CLI::App* watch =
      Verb(incident, "watch", "Live incidents, then every change as it happens", [this] {
        return WatchIncidents(options, until_open     ? Until::kOpen
                                       : until_closed ? Until::kClosed
                                                      : Until::kForever);
      });
  auto* open = watch->add_flag("--until-open", until_open, "End when a route anomaly is open");
  watch->add_flag("--until-closed", until_closed, "End when a route anomaly closes")
      ->excludes(open);

  CLI::App* path = Noun("path", "Which way packets to a host take");
  const auto from = [this](CLI::App* verb) {
    verb->add_option("TARGET", name, "The host's IPv4 or IPv6 address")->required();
    verb->add_option("--from", from_sensor, "Only from this sensor")->type_name("SENSOR");
  };
  from(Verb(path, "show", "The last way that was traced, from each sensor",
            [this] { return ShowPath(options, name, from_sensor); }));
  CLI::App* diff = Verb(path, "diff", "Where the way now parts from the way in peace",
                        [this] { return DiffPaths(options, name, from_sensor, with_sensor); });
  from(diff);
  diff->add_option("--with", with_sensor, "Compare with the way from this sensor instead")
      ->type_name("SENSOR");

  CLI::App* syn = Noun("syn", "Connection attempts that sensors saw");
  CLI::App* top =
      Verb(syn, "top", "Who tries to connect most", [this] { return TopSyns(options, by, since); });
  top->add_option("--by", by, "src, dst or port")
      ->check(CLI::IsMember({"src", "dst", "port"}))
      ->capture_default_str();
  AddSince(top);
  AddListing(top);
  top->add_option("--limit", options.limit, "At most so many (default 20)")
      ->check(CLI::Range(1u, 100'000u));
  CLI::App* servers =
      Verb(syn, "servers", "Servers that draw too many attempts, or whose attempts stay half-open",
           [this] { return ListSynServers(options, since); });
  AddSince(servers);
  AddListing(servers);
  AddLimit(servers);
  AddProbe();
  AddChecks();
  AddCompletion();
}

void CommandLine::AddProbe() {
  CLI::App* nouns = Noun("probe", "Have sensors probe a host now, and see what each finds");
  const auto way = [&](const char* verb, const char* help, const char* method,
                       const char* port_help) {
    CLI::App* added = Verb(nouns, verb, help, [this, method] {
      probe.target = name;
      probe.method = *method == '\0' ? "trace-" + trace_by : std::string(method);
      return RunProbe();
    });
    added->add_option("TARGET", name, "The host's IPv4 or IPv6 address")->required();
    auto* from = added->add_option("--from", probe.from, "From these sensors")
                     ->delimiter(',')
                     ->type_name("SENSOR,...");
    added->add_flag("--from-all", from_all, "From all that are connected, as without --from")
        ->excludes(from);
    if (port_help != nullptr) {
      added->add_option("--port", probe.port, port_help)->check(CLI::Range(1u, 65'535u));
    }
    AddListing(added);
    return added;
  };
  const auto counted = [this](CLI::App* verb) {
    verb->add_option("--count", probe.count, "So many probes of each flow, one a second")
        ->check(CLI::Range(1u, 8u))
        ->capture_default_str();
    verb->add_option("--flows", probe.flows,
                     "In so many flows, which a router may send different ways")
        ->check(CLI::Range(1u, 8u))
        ->capture_default_str();
    return verb;
  };
  counted(way("ping", "By ICMP echo requests", "icmp", nullptr));
  counted(way("tcp", "By TCP SYNs: any answer of the host counts", "tcp", "Default 443"));
  counted(way("udp", "By UDP datagrams", "udp", "Default 33434"));
  way("trace", "The way there, with the flow kept", "", "Of tcp (443) and udp (33434)")
      ->add_option("--method", trace_by, "icmp, tcp or udp")
      ->check(CLI::IsMember({"icmp", "tcp", "udp"}))
      ->capture_default_str();
}

Result<void> CommandLine::RunProbe() {
  constexpr int kPartial = 6;
  if (probe.port == 0) {
    probe.port = probe.method.ends_with("tcp")   ? 443u
                 : probe.method.ends_with("udp") ? 33'434u
                                                 : 0u;
  }
  const auto all = Probe(options, probe);
  if (!all) {
    return tl::make_unexpected(all.error());
  }
  exit_code = *all ? 0 : kPartial;
  return {};
}

void CommandLine::AddChecks() {
  CLI::App* checks = Noun("check", "For Nagios, Icinga and the like: a line and an exit code");
  const auto check = [&](const char* what, const char* help, std::function<int()> judge) {
    return Verb(checks, what, help, [this, judge = std::move(judge)] {
      exit_code = judge();
      return Result<void>();
    });
  };
  CLI::App* sensors = check("sensors", "Whether sensors are there",
                            [this] { return CheckSensors(options, group, limits); });
  sensors->add_option("--group", group, "Only those of this group");
  sensors->add_option("-w,--warning", limits.warning, "From so many on that are away (default 1)")
      ->check(CLI::Range(1u, 1'000'000u));
  sensors
      ->add_option("-c,--critical", limits.critical,
                   "From so many on that are away (default: all of them)")
      ->check(CLI::Range(1u, 1'000'000u));
  check("incidents", "Whether an incident is open", [this] { return CheckIncidents(options); });
  check("target", "Whether a host is reached", [this] { return CheckTarget(options, name); })
      ->add_option("ADDRESS", name, "Its IPv4 or IPv6 address")
      ->required();
}

void CommandLine::AddCompletion() {
  Verb(&app, "completion", "A script that teaches a shell what may follow",
       [this] { return PrintCompletionScript(name); })
      ->add_option("SHELL", name, "bash, zsh or fish; bash: source <(parallax completion bash)")
      ->check(CLI::IsMember({"bash", "zsh", "fish"}))
      ->required();
  CLI::App* complete = Verb(&app, "complete", "What such a script asks",
                            [this] { return Complete(options, app, words); });
  complete->group("");
  complete->add_option("WORD", words);
}

int CommandLine::Run(int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {  // --help, --version
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    const Error wrong = UsageError(app, error);
    if (!app.got_subcommand("check")) {
      return ReportFailure("parallax", wrong);
    }
    const CheckResult unknown = CheckFailed("CHECK", wrong);
    std::fputs(unknown.text.c_str(), stdout);
    return static_cast<int>(unknown.alarm);
  }
  if (const auto done = command(); !done) {
    return ReportFailure("parallax", done.error());
  }
  return exit_code;
}

}  // namespace
}  // namespace parallax::cli

int main(int argc, char** argv) {
  parallax::EnsureStandardStreams();
  parallax::cli::CommandLine command_line;
  return command_line.Run(argc, argv);
}
