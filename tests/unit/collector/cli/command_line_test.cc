// Runs the built `parallax` against a served database and compares what it says, on both streams,
// and its exit code with tests/data/cli/NAME.txt. With PARALLAX_UPDATE_GOLDEN=1 in the environment
// the files are written instead; read the difference before you keep it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "collector/operate/probe_desk.h"
#include "tests/unit/collector/operator/operator_fixture.h"

namespace parallax::collector {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Outcome {
  std::string out;
  std::string err;
  int code = -1;
};

class CommandLine : public OperatorFixture {
 protected:
  void SetUp() override {
    OperatorFixture::SetUp();
    ::unsetenv("PARALLAX_SOCKET");
  }

  // `tag` keeps the files of commands that run side by side apart.
  Outcome RunAt(const std::string& socket, const std::string& arguments,
                const std::string& tag = "run") const {
    const std::string out = dir_.Path(tag + ".out");
    const std::string err = dir_.Path(tag + ".err");
    const std::string command = "'" PARALLAX_CLI "' --socket '" + socket + "' " + arguments + " >" +
                                out + " 2>" + err + " </dev/null";
    const int status = std::system(command.c_str());
    return {ReadAll(out), ReadAll(err), WIFEXITED(status) ? WEXITSTATUS(status) : -1};
  }
  Outcome Run(const std::string& arguments) const { return RunAt(socket_, arguments); }

  void Golden(const std::string& name, const std::string& arguments) const {
    const Outcome outcome = Run(arguments);
    const std::string text = "$ parallax " + arguments + "\n" + outcome.out + "--- stderr\n" +
                             outcome.err + "--- exit code " + std::to_string(outcome.code) + "\n";
    const std::string path = std::string(PARALLAX_CLI_DATA) + "/" + name + ".txt";
    if (std::getenv("PARALLAX_UPDATE_GOLDEN") != nullptr) {
      std::ofstream(path, std::ios::binary) << text;
    }
    EXPECT_EQ(text, ReadAll(path));
  }
};

TEST_F(CommandLine, Sensors) {
  Seed();
  Serve();
  Golden("sensor-list", "sensor list");
  Golden("sensor-list-json", "sensor list -o json");
  Golden("sensor-list-jsonl", "-o jsonl sensor list");
  Golden("sensor-show", "sensor show mail-1");
  Golden("sensor-show-lost", "sensor show web-1");
  Golden("sensor-show-json", "sensor show web-1 -o json");
  Golden("sensor-show-nobody", "sensor show nobody");
}

TEST_F(CommandLine, Targets) {
  Seed();
  Serve();
  Golden("target-list", "target list");
  Golden("target-list-limit", "target list --limit 2");
  Golden("target-list-json", "target list -o json");
  Golden("target-show", "target show 198.51.100.7");
  Golden("target-show-v6-json", "target show 2001:DB8:aaaa:bbbb:cccc:dddd:eeee:ffff -o json");
  Golden("target-show-odd", "target show mailhost");
  Golden("target-show-none", "target show 192.0.2.250");
  Golden("matrix", "matrix");
  Golden("matrix-json", "matrix -o json");
}

TEST_F(CommandLine, Incidents) {
  Seed();
  Serve();
  Golden("incident-list", "incident list");
  Golden("incident-list-live", "incident list --state live");
  Golden("incident-list-jsonl", "incident list --state closed -o jsonl");
  Golden("incident-list-json", "incident list --limit 1 -o json");
  Golden("incident-show-open", "incident show INC-3");
  Golden("incident-show-closed", "incident show 1");
  Golden("incident-show-candidate", "incident show inc-4");
  Golden("incident-show-isolated", "incident show INC-2");
  Golden("incident-show-json", "incident show INC-1 -o json");
  Golden("incident-show-none", "incident show INC-77");
  Golden("incident-show-odd", "incident show seven");
}

TEST_F(CommandLine, Syns) {
  Seed();
  Serve();
  Golden("syn-top", "syn top");
  Golden("syn-top-port", "syn top --by port --since 1h");
  Golden("syn-top-json", "syn top --by dst -o json");
  Golden("syn-top-quiet", "syn top --since 1s");
}

TEST_F(CommandLine, SynServers) {
  SeedServers();
  Serve();
  Golden("syn-servers", "syn servers");
  Golden("syn-servers-limit", "syn servers --since 1h --limit 1");
  Golden("syn-servers-json", "syn servers --since 105s -o json");
  Golden("syn-servers-jsonl", "syn servers --limit 1 -o jsonl");
  Golden("syn-servers-quiet", "syn servers --since 1s");
}

TEST_F(CommandLine, ListsAsFields) {
  Seed();
  Serve();
  Golden("fields-sensors-csv", "sensor list -o csv");
  Golden("fields-sensors-name", "sensor list -o name");
  Golden("fields-sensor-csv", "sensor show mail-1 -o csv");
  Golden("fields-targets-wide", "target list -o wide");
  Golden("fields-targets-sorted", "target list --sort -address --limit 2");
  Golden("fields-targets-columns",
         "target list --columns address,verdict,reach.mail-1 --sort address");
  Golden("fields-targets-name", "target list -o name --sort address");
  Golden("fields-incidents-csv",
         "incident list -o csv --no-header --columns id,state,suspect.from,failing_sensors");
  Golden("fields-incidents-name", "incident list -o name --sort -id");
  Golden("fields-matrix-csv", "matrix -o csv");
  Golden("fields-syn-csv", "syn top --by port -o csv --columns key,attempts");
  Golden("fields-none-csv", "target list --verdict policy -o csv --columns address,verdict");
  Golden("fields-misspelt", "target list --columns adress");
  Golden("fields-json", "target list --columns address -o json");
  Golden("fields-no-name", "status -o name");
}

TEST_F(CommandLine, ListsOfWhatIsAskedFor) {
  Seed();
  Serve();
  Golden("filter-sensors-state", "sensor list --state lost -o name");
  Golden("filter-sensors-group", "sensor list --group physics,library --sort -name -o name");
  Golden("filter-sensors-none", "sensor list --group nowhere");
  Golden("filter-targets-verdict", "target list --verdict healthy,unknown -o name");
  Golden("filter-targets-limit", "target list --sort address --limit 1 --columns address,verdict");
  Golden("filter-incidents-sensor", "incident list --sensor mail-1 -o name");
  Golden("filter-incidents-group", "incident list --group nowhere -o name");
  Golden("filter-incidents-verdict",
         "incident list --verdict route_anomaly --state closed -o name");
  Golden("filter-incidents-since", "incident list --since 1s -o json");
}

TEST_F(CommandLine, ChecksForMonitoringSystems) {
  Seed();
  Serve();
  Golden("check-sensors", "check sensors");
  Golden("check-sensors-critical", "check sensors -c 1");
  Golden("check-sensors-group", "check sensors --group nowhere");
  Golden("check-incidents", "check incidents");
  Golden("check-target", "check target 198.51.100.7");
  Golden("check-target-odd", "check target mailhost");
  Golden("check-target-none", "check target 192.0.2.250");
  Golden("check-usage", "check sensors --warning none");
  const Outcome away = RunAt(dir_.Path("nobody.sock"), "check incidents");
  EXPECT_EQ(away.code, 3);
  EXPECT_THAT(away.out, StartsWith("PARALLAX INCIDENTS UNKNOWN - "));
}

// Two sensors are connected: one finds what it is told to, the other never answers what is traced.
TEST_F(CommandLine, ProbesFromWhereSensorsAre) {
  Seed();
  ProbeDesk desk(1);
  desk.OnSend([&](const SensorName& sensor, const std::vector<Order>& orders) {
    Record report;
    if (const auto* probe = std::get_if<ProbeOrder>(&orders.front())) {
      ProbeReport found;
      found.order_id = probe->id;
      found.target = probe->target;
      for (const ProbeTry& one : probe->tries) {
        const bool up = sensor == "library-1";
        ProbeTryResult result;
        result.attempt = one;
        result.state = up ? ProbeState::kAnswered : ProbeState::kUnreachable;
        result.rtt = std::chrono::milliseconds(found.tries.size() + 1);
        result.reporter = IpAddress::Parse(up ? "198.51.100.7" : "192.0.2.33");
        found.tries.push_back(std::move(result));
      }
      report = found;
    } else {
      if (sensor != "library-1") {
        return;
      }
      const auto& order = std::get<PathOrder>(orders.front());
      PathReport found;
      found.order_id = order.id;
      found.target = order.target;
      found.attempt = order.attempt;
      found.end = TraceEnd::kReached;
      found.hops = {{*IpAddress::Parse("192.0.2.97")}, {}, {order.target}};
      report = found;
    }
    desk.Hear({sensor, 1, 1, At(0), {report}});
  });
  OperatorServerOptions options = ServerOptions();
  options.probes = &desk;
  options.may_probe = [](const IpAddress& target) { return target.ToString() != "203.0.113.1"; };
  auto server = OperatorServer::Start(options);
  ASSERT_TRUE(server) << server.error().message;
  server_ = std::move(*server);
  Golden("probe-ping", "probe ping 198.51.100.7 --count 3");
  Golden("probe-ping-json", "probe ping 198.51.100.7 --from library-1 -o json");
  Golden("probe-tcp-csv", "probe tcp 198.51.100.7 --port 25 --from-all --flows 2 -o csv");
  Golden("probe-trace", "probe trace 198.51.100.7 --method udp --from library-1");
  Golden("probe-lost", "probe ping 198.51.100.7 --from library-1,web-1");
  Golden("probe-lost-only", "probe ping 198.51.100.7 --from web-1");
  Golden("probe-nobody", "probe ping 198.51.100.7 --from nobody");
  Golden("probe-denied", "probe udp 203.0.113.1");
  Golden("probe-odd", "probe ping mailhost");
  Golden("probe-too-many", "probe ping 198.51.100.7 --count 5 --flows 3");
  server_.reset();  // before the desk
}

TEST_F(CommandLine, WhatMayFollow) {
  Seed();
  Serve();
  Golden("complete-verbs", "complete -- sensor ''");
  Golden("complete-begun", "complete -- in");
  Golden("complete-sensors", "complete -- sensor show m");
  Golden("complete-incidents", "complete -- incident show ''");
  Golden("complete-option", "complete -- target list --s");
  Golden("complete-choices", "complete -- -o ''");
  Golden("complete-state", "complete -- incident list --state c");
  Golden("complete-from", "complete -- path show 198.51.100.7 --from ''");
  EXPECT_EQ(RunAt(dir_.Path("nobody.sock"), "complete -- sensor show ''").out, "");
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const Outcome script = Run(std::string("completion ") + shell);
    EXPECT_THAT(script.out, HasSubstr("parallax complete -- "));
    EXPECT_EQ(script.code, 0);
  }
  // As bash would: candidates for a word with colons in it lack what is there before the last one.
  const Outcome bash =
      Run("completion bash >/dev/null && bash -c 'source <(\"$0\" completion bash); "
          "parallax() { printf \"2001:db8::1\\n\"; }; "
          "COMP_LINE=\"parallax target show 2001:d\" COMP_POINT=28; _parallax; "
          "echo \"${COMPREPLY[@]}\"' " PARALLAX_CLI);
  EXPECT_EQ(bash.out, "db8::1\n") << bash.err;
}

TEST_F(CommandLine, EmptyListsSaySo) {
  Serve();
  Golden("empty-sensor-list", "sensor list");
  Golden("empty-target-list", "target list");
  Golden("empty-matrix", "matrix");
  Golden("empty-incident-list", "incident list --state open");
  Golden("empty-incident-list-json", "incident list -o json");
  Golden("empty-syn-top", "syn top");
  Golden("empty-syn-servers", "syn servers");
  Golden("empty-syn-servers-json", "syn servers -o json");
}

TEST_F(CommandLine, Usage) {
  Golden("usage-nothing", "");
  Golden("usage-unknown", "sensor bogus");
  Golden("usage-noun", "incident");
  Golden("usage-format", "status -o yaml");
  Golden("usage-missing-name", "sensor show");
  Golden("usage-by", "syn top --by colour");
  Golden("usage-since", "syn top --since soon");
  Golden("usage-servers-since", "syn servers --since 0s");
  Golden("usage-option", "matrix --frobnicate");
  Golden("usage-option-nearly", "matrix --limt 3");
  Golden("usage-verb-nearly", "incident lst");
  Golden("usage-extra", "status now");
  EXPECT_EQ(Run("--version").out, "parallax " PARALLAX_VERSION "\n");
  EXPECT_EQ(Run("--help").code, 0);
}

TEST_F(CommandLine, Status) {
  Seed();
  Serve();
  const Outcome table = Run("status");
  EXPECT_EQ(table.code, 0);
  EXPECT_THAT(table.out, StartsWith("Collector " PARALLAX_VERSION " up 1h10m\n"));
  EXPECT_THAT(table.out, HasSubstr("  sensors      2 connected, 1 lost\n"));
  EXPECT_THAT(table.out, HasSubstr("  incidents    2 route_anomaly, 1 sensor_isolated\n"));
  EXPECT_EQ(table.err, "Next: parallax incident list --state live\n");
  const Outcome json = Run("status -o json");
  EXPECT_THAT(json.out,
              StartsWith("{\n  \"api_version\": \"parallax/v1\",\n  \"kind\": \"Status\""));
  EXPECT_THAT(json.out, HasSubstr("\"sensors\": {\n    \"connected\": 2,\n    \"lost\": 1\n  }"));
}

TEST_F(CommandLine, NobodyThere) {
  const Outcome none = Run("status");
  EXPECT_EQ(none.code, 5);
  EXPECT_EQ(none.out, "");
  EXPECT_EQ(none.err, "parallax: cannot reach the collector at " + socket_ +
                          ": no such socket; start it, or name its socket with --socket or "
                          "PARALLAX_SOCKET\n");
  EXPECT_EQ(RunAt(dir_.Path(std::string(150, 'x')), "status").code, 2);
  dir_.Write("file", "");
  EXPECT_EQ(RunAt(dir_.Path("file"), "status").code, 5);
}

TEST_F(CommandLine, TheSocketMayBeNamedInTheEnvironment) {
  Seed();
  Serve();
  ::setenv("PARALLAX_SOCKET", socket_.c_str(), 1);
  const std::string command = "'" PARALLAX_CLI "' sensor list -o jsonl >" + dir_.Path("out");
  EXPECT_EQ(std::system(command.c_str()), 0);
  EXPECT_THAT(ReadAll(dir_.Path("out")), StartsWith("{\"id\":\"library-1\""));
  ::unsetenv("PARALLAX_SOCKET");
}

TEST_F(CommandLine, AClosedPipeIsNoComplaint) {
  Seed();
  Serve();
  // The watch dies of the closed pipe at the next change; nothing needs to be said about that.
  std::atomic<bool> done = false;
  std::thread changes([&] {
    while (!done) {
      Apply({SampleChange("updated", 3, IncidentState::kOpen)});
    }
  });
  const std::string command = "'" PARALLAX_CLI "' --socket '" + socket_ +
                              "' incident watch --timeout 60s 2>" + dir_.Path("err") +
                              " | head -n 1 >" + dir_.Path("out");
  EXPECT_EQ(std::system(command.c_str()), 0);
  done = true;
  changes.join();
  EXPECT_THAT(ReadAll(dir_.Path("out")), HasSubstr("\"kind\":\"IncidentEvent\""));
  EXPECT_EQ(ReadAll(dir_.Path("err")), "");
}

TEST_F(CommandLine, AFullDiskBehindStdoutIsAnError) {
  Seed();
  Serve();
  const std::string command =
      "'" PARALLAX_CLI "' --socket '" + socket_ + "' matrix >/dev/full 2>" + dir_.Path("err");
  const int status = std::system(command.c_str());
  EXPECT_EQ(WEXITSTATUS(status), 1);
  EXPECT_THAT(ReadAll(dir_.Path("err")), HasSubstr("cannot write the answer"));
}

TEST_F(CommandLine, WatchEndsAtOnceIfItsConditionHolds) {
  Seed();
  Serve();
  Golden("watch-until-open", "incident watch --until-open -o table");
  Golden("watch-until-open-jsonl", "incident watch --until-open");
  Apply({SampleChange("closed", 3, IncidentState::kClosed)});
  const Outcome closed = Run("incident watch --until-closed --timeout 60s");
  EXPECT_EQ(closed.code, 0);
  EXPECT_THAT(closed.err, HasSubstr("No route anomaly is live"));
}

TEST_F(CommandLine, WatchWaitsForAnIncidentToOpenAndToClose) {
  Serve();
  for (const auto& [flag, change, state] :
       {std::tuple("--until-open", "opened", IncidentState::kOpen),
        std::tuple("--until-closed", "closed", IncidentState::kClosed)}) {
    Outcome outcome;
    std::thread watcher([&, name = std::string(flag)] {
      outcome = RunAt(socket_, "incident watch " + name + " --timeout 60s", "watch");
    });
    // A candidate first: neither opening nor closing.
    if (state == IncidentState::kOpen) {
      Apply({SampleChange("candidate", 9, IncidentState::kCandidate)});
    }
    Apply({SampleChange(change, 9, state)});
    watcher.join();
    EXPECT_EQ(outcome.code, 0) << outcome.err;
  }
}

TEST_F(CommandLine, WatchGivesUpAfterItsTime) {
  Serve();
  const Outcome outcome = Run("incident watch --until-open --timeout 300ms");
  EXPECT_EQ(outcome.code, 5);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.err, "parallax: 300ms have passed\n");
}

}  // namespace
}  // namespace parallax::collector
