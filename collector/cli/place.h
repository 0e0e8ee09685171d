// Where the collector is that a command asks.
#pragma once

#include <string>

namespace parallax::cli {

struct Place {
  std::string socket;
  std::string collector;  // "HOST:PORT", over the network; empty: the socket
  std::string identity;   // the folder that add-operator made, for `collector`

  const std::string& where() const { return collector.empty() ? socket : collector; }
};

}  // namespace parallax::cli
