// What the user typed after "parallax-collector".
#pragma once

#include <string>
#include <variant>

#include "collector/ca_command.h"
#include "collector/operate/init.h"
#include "collector/operate/operator_files.h"

namespace parallax::collector {

struct RunCommand {
  std::string config;
};
struct CheckConfigCommand {
  std::string config;
};
struct InitCommand {
  InitOptions options;
};
struct AddSensorCommand {
  AddSensorOptions options;
};
struct AddOperatorCommand {
  AddOperatorOptions options;
};
struct RemoveOperatorCommand {
  std::string name;
  std::string config;
};
struct CaCommand {
  CaOptions options;
};
enum class DbAction { kVerify, kMigrate, kBackup };
struct DbCommand {
  DbAction action = DbAction::kVerify;
  std::string config;
  std::string out;  // of kBackup
};
// Nothing to do but to leave: help or version was printed, or the words were wrong and it was said.
struct Leave {
  int exit_code = 0;
};

using Command = std::variant<Leave, RunCommand, CheckConfigCommand, InitCommand, AddSensorCommand,
                             AddOperatorCommand, RemoveOperatorCommand, CaCommand, DbCommand>;

Command ParseCommandLine(int argc, char** argv);

}  // namespace parallax::collector
