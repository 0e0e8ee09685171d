// Domain values <-> protobuf, sensor side. Protobuf types go no further than sensor/link.
#pragma once

#include <string>
#include <vector>

#include "common/records.h"
#include "common/result.h"
#include "common/tls.h"
#include "parallax/v1/link.pb.h"
#include "sensor/spool/spool.h"

namespace parallax::sensor {

// A record as it waits in the spool: a serialized v1::Record, of 1 to kMostPayload bytes.
std::string Encode(const Record& record);

// All fields but the epochs, which the link knows.
v1::Hello ToProto(const SensorHello& hello);
v1::Health ToProto(const SensorHealth& health);
// Which CAs it trusts, and which one signed its certificate. Empty if it is damaged.
v1::Identity ToProto(const TlsIdentity& identity);

enum class BatchForm { kRows, kColumns };  // attempts as columns, if all of them are attempts
// Records of one chunk from its place `from` on, as many as one batch can carry: those that are no
// records of ours, and in rows gaps, end it. Returns how many.
size_t FillBatch(const Spool::Chunk& chunk, size_t from, BatchForm form, v1::Batch* out);

// Orders come from another machine: what is malformed is refused with the reason.
Result<Order> FromProto(const v1::Order& order);

}  // namespace parallax::sensor
