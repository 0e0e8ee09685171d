// Protobuf -> domain values: what a sensor says it goes by. As convert.h.
#pragma once

#include "collector/store/ops.h"
#include "common/result.h"
#include "parallax/v1/link.pb.h"

namespace parallax::collector {

// Fails if a fingerprint has the wrong length or there are too many.
Result<SensorIdentity> FromProto(const v1::Identity& identity, const SensorName& sensor,
                                 WallTime told_at);

}  // namespace parallax::collector
