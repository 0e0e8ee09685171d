// Records as a sensor sends them.
#pragma once

#include <gtest/gtest.h>

#include <vector>

#include "sensor/link/convert.h"

namespace parallax::sensor {

inline v1::Batch BatchOf(uint64_t first, const std::vector<Record>& records,
                         BatchForm form = BatchForm::kRows) {
  Spool::Chunk chunk;
  chunk.first_sequence = first;
  for (const Record& record : records) {
    chunk.items.push_back({Encode(record), Duration{}});
  }
  v1::Batch batch;
  EXPECT_EQ(FillBatch(chunk, 0, form, &batch), records.size());
  return batch;
}

}  // namespace parallax::sensor
