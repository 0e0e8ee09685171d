// Names of sensors, groups and operators, and the URIs that carry them in certificates. Pure.
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

// 1 to 63 of a-z 0-9 - _ . and a letter or digit first: names of all of them.
bool IsValidName(std::string_view name);
// "spiffe://parallax/sensor/GROUP/NAME" and nothing else.
std::optional<PeerName> ParseSensorUri(std::string_view uri);
std::string SensorUri(const PeerName& peer);

// Operators that come over the network. Who may write may read, too.
enum class OperatorRole { kRead, kWrite };

struct OperatorName {
  OperatorRole role = OperatorRole::kRead;
  std::string name;
  bool operator==(const OperatorName&) const = default;
};

// "read" and "write".
std::optional<OperatorRole> ParseOperatorRole(std::string_view word);
std::string_view ToString(OperatorRole role);
// "spiffe://parallax/operator/ROLE/NAME" and nothing else.
std::optional<OperatorName> ParseOperatorUri(std::string_view uri);
std::string OperatorUri(const OperatorName& name);

}  // namespace parallax
