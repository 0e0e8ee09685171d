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
  uint64_t first_sequence = 0;
  uint64_t last_sequence = 0;
  std::vector<Run> runs;  // a malformed record ends one and is left out
  uint64_t refused = 0;   // malformed records; all of them if the batch makes no sense
  std::string complaint;  // about the first of them
};

// Fails if nobody can say which sequences it is about. A batch that makes no sense otherwise, such
// as one with too many records or with columns of different lengths, is refused as a whole.
Result<ReadBatch> FromProto(const v1::Batch& batch);

v1::Order ToProto(const Order& order);

}  // namespace parallax::collector
