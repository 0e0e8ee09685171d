// What the user typed after "parallax-collector".
#pragma once

#include <string>
#include <variant>

#include "collector/operate/init.h"

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
// Nothing to do but to leave: help or version was printed, or the words were wrong and it was said.
struct Leave {
  int exit_code = 0;
};

using Command = std::variant<Leave, RunCommand, CheckConfigCommand, InitCommand, AddSensorCommand>;

Command ParseCommandLine(int argc, char** argv);

}  // namespace parallax::collector
