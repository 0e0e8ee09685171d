// `parallax-sensor enroll`: makes a key, has the collector's CA sign it, and puts the identity
// where sensor.toml wants it. With a token at once; without one when an operator has approved the
// key. The key stays in KEY_FILE.enroll until all is done, so that another attempt asks for the
// same.
#pragma once

#include <string>

#include "common/result.h"

namespace parallax::sensor {

struct EnrollOptions {
  std::string config;      // sensor.toml; made from the template if there is none
  std::string collector;   // "HOST:PORT", the collector's HTTPS port
  std::string ca_pin;      // "sha256:HEX"
  std::string token_file;  // "-": standard input; empty: wait for an approval
  std::string name;        // empty: the host's
};

Result<void> RunEnroll(const EnrollOptions& options);

}  // namespace parallax::sensor
