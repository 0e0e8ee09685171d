// Protobuf -> domain values, collector side, with every field and length checked: a sensor is
// another machine, and may be anybody's. Protobuf types go no further than collector/ingest.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/records.h"
#include "common/result.h"
#include "parallax/v1/link.pb.h"

namespace parallax::collector {

Result<SensorHello> FromProto(const v1::Hello& hello);
// Cuts lists and texts to their limits; nothing in it can be refused.
SensorHealth FromProto(const v1::Health& health);

// Records with consecutive sequences.
struct Run {
  uint64_t first_sequence = 0;
  std::vector<Record> records;
};

struct ReadBatch {
  std::vector<Run> runs;  // a malformed record ends one and is left out
  uint64_t refused = 0;   // malformed records
  std::string complaint;  // about the first of them
};

// Fails if the batch as a whole makes no sense: no records, too many, sequences that overflow.
Result<ReadBatch> FromProto(const v1::Batch& batch);

v1::Order ToProto(const Order& order);

}  // namespace parallax::collector
