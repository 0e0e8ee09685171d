#include "common/peer_name.h"

#include <algorithm>

namespace parallax {
namespace {

constexpr std::string_view kSensorUriPrefix = "spiffe://parallax/sensor/";

}  // namespace

bool IsValidName(std::string_view name) {
  const auto alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !name.empty() && name.size() <= 63 && alphanumeric(name.front()) &&
         std::all_of(name.begin(), name.end(),
                     [&](char c) { return alphanumeric(c) || c == '-' || c == '_' || c == '.'; });
}

std::optional<PeerName> ParseSensorUri(std::string_view uri) {
  if (!uri.starts_with(kSensorUriPrefix)) {
    return std::nullopt;
  }
  uri.remove_prefix(kSensorUriPrefix.size());
  const size_t slash = uri.find('/');
  const std::string_view group = uri.substr(0, slash);
  const std::string_view name = slash == uri.npos ? std::string_view() : uri.substr(slash + 1);
  if (!IsValidName(group) || !IsValidName(name)) {
    return std::nullopt;
  }
  return PeerName{std::string(group), std::string(name)};
}

std::string SensorUri(const PeerName& peer) {
  return std::string(kSensorUriPrefix) + peer.group + "/" + peer.name;
}

}  // namespace parallax
