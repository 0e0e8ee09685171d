// Names of sensors and groups, and the URI that carries them in a certificate. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace parallax {

// What a sensor's certificate says that it is.
struct PeerName {
  std::string group;
  std::string name;
  bool operator==(const PeerName&) const = default;
};

// 1 to 63 of a-z 0-9 - _ . and a letter or digit first: names of sensors and groups.
bool IsValidName(std::string_view name);
// "spiffe://parallax/sensor/GROUP/NAME" and nothing else.
std::optional<PeerName> ParseSensorUri(std::string_view uri);
std::string SensorUri(const PeerName& peer);

}  // namespace parallax
