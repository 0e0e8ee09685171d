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

  AddOperatorCommand add_operator;
  std::string role;
  CLI::App* add_operator_app = app.add_subcommand(
      "add-operator", "Make the folder that an operator needs to ask over the network");
  add_operator_app->add_option("name", add_operator.options.name, "For example alice")->required();
  add_operator_app->add_option("--role", role, "read, or write (who may change something)")
      ->required()
      ->check(CLI::IsMember({"read", "write"}));
  add_operator_app
      ->add_option("--config", add_operator.options.config_path, "The collector's collector.toml")
      ->required();
  add_operator_app->add_option("--out", add_operator.options.out, "Folder to make")->required();

  RemoveOperatorCommand remove;
  CLI::App* remove_app =
      app.add_subcommand("remove-operator", "Refuse an operator's certificate from now on");
  remove_app->add_option("name", remove.name, "As it was added")->required();
  remove_app->add_option("--config", remove.config, "The collector's collector.toml")->required();

  CaCommand ca;
  CLI::App* ca_app = app.add_subcommand("ca",
                                        "Put another certificate authority in place of this one, "
                                        "step by step, while everything runs");
  ca_app->require_subcommand(1);
  const auto step = [&](const char* name, const char* what, CaAction action) {
    CLI::App* verb = ca_app->add_subcommand(name, what);
    verb->add_option("--config", ca.options.config_path, "The collector's collector.toml")
        ->required();
    verb->callback([&ca, action] { ca.options.action = action; });
    return verb;
  };
  step("show", "How far it is, and who is not ready", CaAction::kShow);
  step("announce", "Make another one, and have it trusted", CaAction::kAnnounce);
  step("renew", "Make the collector's own certificate anew, expired or not", CaAction::kRenew);
  constexpr const char* kForce = "Also if somebody would be cut off";
  step("switch", "Sign with the new one from now on", CaAction::kSwitch)
      ->add_flag("--force", ca.options.force, kForce);
  step("retire", "Trust the old one no more", CaAction::kRetire)
      ->add_flag("--force", ca.options.force, kForce);

  DbCommand db;
  CLI::App* db_app = app.add_subcommand("db", "The database as a file");
  db_app->require_subcommand(1);
  const auto with_file = [&](const char* name, const char* what, DbAction action) {
    CLI::App* verb = db_app->add_subcommand(name, what);
    verb->add_option("--config", db.config, "The collector's collector.toml")->required();
    verb->callback([&db, action] { db.action = action; });
    return verb;
  };
  with_file("verify", "Read all of it and say whether it is whole, also while a collector runs",
            DbAction::kVerify);
  with_file("migrate", "Bring an older one up to date, as a collector does when it starts",
            DbAction::kMigrate);
  with_file("backup", "Copy it as it is at one moment, also while a collector runs",
            DbAction::kBackup)
      ->add_option("--out", db.out, "File to make")
      ->required();

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
  if (add_operator_app->parsed()) {
    add_operator.options.role = *ParseOperatorRole(role);
    return add_operator;
  }
  if (remove_app->parsed()) {
    return remove;
  }
  if (ca_app->parsed()) {
    return ca;
  }
  if (db_app->parsed()) {
    return db;
  }
  return add;
}

}  // namespace parallax::collector
