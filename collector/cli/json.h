// Messages of operator.proto as the JSON that scripts rely on (DESIGN section 9): snake_case, times
// in RFC 3339 UTC or null, addresses as strings. Fields are only ever added. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace parallax::v1 {
class Incident;
class IncidentEvent;
class ProbeAnswer;
class Sensor;
class SensorTrust;
class Status;
class SynServer;
class SynTopRow;
class Target;
class Token;
class TracedPath;
}  // namespace parallax::v1

namespace parallax::cli {

using Json = nlohmann::ordered_json;

Json ToJson(const v1::Status& status);
Json ToJson(const v1::Sensor& sensor);
Json ToJson(const v1::SensorTrust& trust);
Json ToJson(const v1::Token& token);
Json ToJson(const v1::Target& target);
Json ToJson(const v1::Incident& incident);
Json ToJson(const v1::IncidentEvent& event);
Json ToJson(const v1::SynTopRow& row);
Json ToJson(const v1::SynServer& server);
Json ToJson(const v1::TracedPath& path);
Json ToJson(const v1::ProbeAnswer& answer);

// {"api_version", "kind", ...fields of `item`}
Json WithKind(const char* kind, const Json& item);

template <typename Messages>
Json Items(const Messages& items) {
  Json array = Json::array();
  for (const auto& item : items) {
    array.push_back(ToJson(item));
  }
  return array;
}

// Text that is never invalid: broken UTF-8 is replaced. `indent` -1: one line. Ends with \n.
std::string Dump(const Json& json, int indent);

}  // namespace parallax::cli
