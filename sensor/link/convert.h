// Domain values <-> protobuf, sensor side. Protobuf types go no further than sensor/link.
#pragma once

#include <vector>

#include "common/records.h"
#include "common/result.h"
#include "parallax/v1/link.pb.h"

namespace parallax::sensor {

v1::Hello ToProto(const SensorHello& hello);
v1::Health ToProto(const SensorHealth& health);
// As many records, from the first, as fit well into one message; one at least.
v1::Batch ToProto(uint64_t first_sequence, const std::vector<Record>& records);

// Orders come from another machine: what is malformed is refused with the reason.
Result<Order> FromProto(const v1::Order& order);

}  // namespace parallax::sensor
