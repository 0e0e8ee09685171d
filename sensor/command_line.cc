#include "sensor/command_line.h"

#include <CLI/CLI.hpp>
#include <cstdint>
#include <limits>

#include "common/result.h"
#include "common/usage.h"

namespace parallax::sensor {

Command ParseCommandLine(int argc, char** argv) {
  CLI::App app{
      "The sensor of Parallax: watches TCP connection attempts and probes for its collector.\n"
      "\n"
      "Without a collector:\n"
      "  parallax-sensor capture --interface eth0\n"
      "  parallax-sensor capture --read trace.pcap --handshakes -o jsonl\n"
      "  parallax-sensor capture --read trace.pcap --filter 'net 192.0.2.0/24 and port 25'\n"
      "With one (make the folder there with: parallax-collector add-sensor):\n"
      "  parallax-sensor run --config mail1/sensor.toml",
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
  capture_app->add_flag("--handshakes", capture.options.handshakes,
                        "One record per connection attempt, with what became of it");
  capture_app->add_option("--count", capture.options.count, "Stop after this many records")
      ->check(CLI::Range(int64_t{1}, std::numeric_limits<int64_t>::max()));
  capture_app->add_flag("--promiscuous", capture.options.promiscuous,
                        "See frames for other hosts too, as on a mirror port");

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
  capture.options.output = output == "jsonl" ? CaptureOutput::kJsonl : CaptureOutput::kTable;
  return capture;
}

}  // namespace parallax::sensor
