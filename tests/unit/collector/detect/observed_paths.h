// Observed paths from one line of text, and suspects as text, for tests of the localiser.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "collector/detect/localise/localiser.h"

namespace parallax::collector {

// Routers and hosts have names of up to three letters, which are the last bytes of their address.
inline IpAddress At(std::string_view name) {
  std::array<uint8_t, 4> bytes{10, 0, 0, 0};
  for (size_t i = 0; i < name.size() && i < 3; ++i) {
    bytes[i + 1] = static_cast<uint8_t>(name[i]);
  }
  return IpAddress::V4(bytes);
}

inline std::string NameOf(const IpAddress& address) {
  std::string name;
  for (const uint8_t byte : address.bytes().subspan(1)) {
    if (byte != 0) {
      name += static_cast<char>(byte);
    }
  }
  return name;
}

// "R C * B": a name for each TTL, "*" for silence.
inline std::vector<std::optional<IpAddress>> Hops(std::string_view text) {
  std::vector<std::optional<IpAddress>> hops;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    hops.push_back(word == "*" ? std::nullopt : std::optional(At(word)));
  }
  return hops;
}

// The group of "cs-1" is "cs". "T" on the way stands for the target.
inline ObservedPath MakePath(std::string_view sensor, const std::string& target,
                             std::string_view way, std::string_view before = "") {
  ObservedPath path;
  path.sensor = sensor;
  path.group = sensor.substr(0, sensor.find('-'));
  path.target = At(target);
  path.hops = Hops(way);
  path.before = Hops(before);
  for (auto* hops : {&path.hops, &path.before}) {
    for (auto& hop : *hops) {
      hop = hop == At("T") ? path.target : hop;
    }
  }
  path.reached = !path.hops.empty() && path.hops.back() == path.target;
  return path;
}
inline ObservedPath Fails(std::string_view sensor, const std::string& target, std::string_view way,
                          std::string_view before = "") {
  ObservedPath path = MakePath(sensor, target, way, before);
  path.failing = true;
  return path;
}
inline ObservedPath Passes(std::string_view sensor, const std::string& target, std::string_view way,
                           std::string_view before = "") {
  return MakePath(sensor, target, way, before);
}

// "t00", "t01", ....
inline std::string Target(size_t number) {
  return {'t', static_cast<char>('0' + number / 64 % 64), static_cast<char>('0' + number % 64)};
}

inline std::string Text(const PathPlace& place) {
  return place.kind == PathPlace::Kind::kAddress ? NameOf(place.address) : place.ToString();
}
inline std::string Text(const std::pair<PathPlace, PathPlace>& edge) {
  return Text(edge.first) + " > " + Text(edge.second);
}
inline std::string Text(const SuspectEdge& suspect) {
  return Text(std::pair(suspect.from, suspect.to));
}
template <typename Edges>
std::vector<std::string> Texts(const Edges& edges) {
  std::vector<std::string> texts;
  for (const auto& edge : edges) {
    texts.push_back(Text(edge));
  }
  return texts;
}

}  // namespace parallax::collector
