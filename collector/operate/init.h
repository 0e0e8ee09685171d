// The two set-up commands of parallax-collector: `init` makes a collector's folder, `add-sensor`
// the folder that a sensor's host needs. Both make it whole or not at all. Not thread-safe: they
// change folders that nobody else should be changing.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/result.h"
#include "common/time.h"

namespace parallax::collector {

// Makes an empty database at `path`. The store is somebody else's.
using MakeDatabase = std::function<Result<void>(const std::string& path)>;

struct InitOptions {
  std::string dir;
  std::string name;               // host name or address that sensors can reach the collector by
  std::string listen;             // "ADDRESS:PORT"; empty: the default
  std::string https_listen = {};  // likewise; empty: DefaultHttpsListen
};

// Makes DIR (0700) with ca.pem, ca.key, collector.pem, collector.key, collector.toml and
// parallax.db, keys with mode 0600. Returns what to print: what was made, and the next two
// commands with the CA's pin and paths as the user gave them.
Result<std::string> InitCollector(const InitOptions& options, const MakeDatabase& make_database,
                                  WallTime now);

struct AddSensorOptions {
  std::string name;
  std::string group;
  std::string config_path;              // the collector's collector.toml
  std::string out;                      // the folder to make
  std::vector<std::string> collectors;  // "HOST:PORT"; empty: HOST of init, port of collector.toml
  std::vector<std::string> interfaces;  // empty: all
};

// Makes OUT (0700) with sensor.toml, policy.toml, ca.pem, sensor.pem and sensor.key (0600). Returns
// what to print: what to copy, and what to run there.
Result<std::string> AddSensor(const AddSensorOptions& options, WallTime now);

}  // namespace parallax::collector
