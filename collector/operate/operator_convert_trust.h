// Tokens, requests and who is trusted, as messages of operator.proto. Pure functions.
#pragma once

#include <string>

#include "collector/enrol/records.h"
#include "parallax/v1/operator.pb.h"

namespace parallax::collector {

void ToProto(const TokenRecord& token, WallTime now, v1::Token* out);
void ToProto(const TrustRecord& record, v1::SensorTrust* out);

// Says of each sensor of `list` how far it is trusted, and adds those that never connected and
// those that wait for an approval; by name. `only`: a name or a fingerprint, or "" for all.
void AddTrust(const SavedTrust& trust, const std::string& only, v1::SensorList* list);

}  // namespace parallax::collector
