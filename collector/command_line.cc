#include "collector/command_line.h"

#include <CLI/CLI.hpp>

#include "common/result.h"
#include "common/usage.h"

namespace parallax::collector {

Command ParseCommandLine(int argc, char** argv) {
  CLI::App app{
      "The collector of Parallax: sensors report to it, it compares what they can reach.\n"
      "\n"
      "First time on a host:\n"
      "  parallax-collector init --dir /etc/parallax --name noc.campus.example\n"
      "  parallax-collector run --config /etc/parallax/collector.toml\n"
      "Then let sensors in with the lines that init prints, or, for one without a way to the HTTPS "
      "port:\n"
      "  parallax-collector add-sensor mail1 --group mail --config /etc/parallax/collector.toml "
      "\\\n"
      "      --out mail1",
      "parallax-collector"};
  app.set_version_flag("--version", std::string("parallax-collector ") + PARALLAX_VERSION);
  app.require_subcommand(1);

  RunCommand run;
  CLI::App* run_app = app.add_subcommand("run", "Run the collector in the foreground");
  run_app->add_option("--config", run.config, "collector.toml")->required();

  CheckConfigCommand check;
  CLI::App* check_app =
      app.add_subcommand("check-config", "Read a configuration and say what is wrong with it");
  check_app->add_option("--config", check.config, "collector.toml")->required();

  InitCommand init;
  CLI::App* init_app =
      app.add_subcommand("init", "Make a collector's folder: CA, certificate, config, database");
  init_app->add_option("--dir", init.options.dir, "Folder to make")->required();
  init_app
      ->add_option("--name", init.options.name,
                   "Host name or address that sensors can reach this host by")
      ->required();
  init_app->add_option("--listen", init.options.listen,
                       "ADDRESS:PORT for sensors; default [::]:7443");
  init_app->add_option(
      "--https-listen", init.options.https_listen,
      "ADDRESS:PORT for hosts that enroll; default: as --listen, a thousand ports higher");

  AddSensorCommand add;
  CLI::App* add_app = app.add_subcommand(
      "add-sensor", "Make the folder that a sensor's host needs: certificate, key, config, policy");
  add_app->add_option("name", add.options.name, "The sensor's name, for example mail1")->required();
  add_app->add_option("--group", add.options.group, "Its department or segment")->required();
  add_app->add_option("--config", add.options.config_path, "The collector's collector.toml")
      ->required();
  add_app->add_option("--out", add.options.out, "Folder to make")->required();
  add_app->add_option("--collector", add.options.collectors,
                      "HOST:PORT of the collector as the sensor sees it; may be repeated");
  add_app->add_option("--interface", add.options.interfaces,
                      "Interface to listen on; may be repeated; default all");

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {  // --help, --version
    return Leave{app.exit(help)};
  } catch (const CLI::ParseError& error) {
    return Leave{ReportFailure("parallax-collector", UsageError(app, error))};
  }
  if (run_app->parsed()) {
    return run;
  }
  if (check_app->parsed()) {
    return check;
  }
  if (init_app->parsed()) {
    return init;
  }
  return add;
}

}  // namespace parallax::collector
