#include "common/peer_name.h"

#include <algorithm>
#include <utility>

namespace parallax {
namespace {

constexpr std::string_view kSensorUriPrefix = "spiffe://parallax/sensor/";
constexpr std::string_view kOperatorUriPrefix = "spiffe://parallax/operator/";

// "PREFIX" "FIRST" "/" "SECOND"; nullopt if it is made otherwise.
std::optional<std::pair<std::string, std::string>> PartsAfter(std::string_view prefix,
                                                              std::string_view uri) {
  if (!uri.starts_with(prefix)) {
    return std::nullopt;
  }
  uri.remove_prefix(prefix.size());
  const size_t slash = uri.find('/');
  const std::string_view first = uri.substr(0, slash);
  const std::string_view second = slash == uri.npos ? std::string_view() : uri.substr(slash + 1);
  if (!IsValidName(first) || !IsValidName(second)) {
    return std::nullopt;
  }
  return std::pair(std::string(first), std::string(second));
}

}  // namespace

bool IsValidName(std::string_view name) {
  const auto alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !name.empty() && name.size() <= 63 && alphanumeric(name.front()) &&
         std::all_of(name.begin(), name.end(),
                     [&](char c) { return alphanumeric(c) || c == '-' || c == '_' || c == '.'; });
}

std::optional<PeerName> ParseSensorUri(std::string_view uri) {
  const auto parts = PartsAfter(kSensorUriPrefix, uri);
  return parts ? std::optional(PeerName{parts->first, parts->second}) : std::nullopt;
}

std::string SensorUri(const PeerName& peer) {
  return std::string(kSensorUriPrefix) + peer.group + "/" + peer.name;
}

std::optional<OperatorRole> ParseOperatorRole(std::string_view word) {
  return word == "read"    ? std::optional(OperatorRole::kRead)
         : word == "write" ? std::optional(OperatorRole::kWrite)
                           : std::nullopt;
}

std::string_view ToString(OperatorRole role) {
  return role == OperatorRole::kWrite ? "write" : "read";
}

std::optional<OperatorName> ParseOperatorUri(std::string_view uri) {
  const auto parts = PartsAfter(kOperatorUriPrefix, uri);
  const auto role = parts ? ParseOperatorRole(parts->first) : std::nullopt;
  return role ? std::optional(OperatorName{*role, parts->second}) : std::nullopt;
}

std::string OperatorUri(const OperatorName& name) {
  return std::string(kOperatorUriPrefix) + std::string(ToString(name.role)) + "/" + name.name;
}

}  // namespace parallax
