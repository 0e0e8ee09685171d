// Attempts that come as columns, one after the other. Part of convert.h.
#pragma once

#include "common/records.h"
#include "common/result.h"
#include "parallax/v1/link.pb.h"

namespace parallax::collector {

class ColumnReader {
 public:
  // Fails if the columns are not all of one length. `columns` must outlive the reader.
  static Result<ColumnReader> Open(const v1::AttemptColumns& columns);

  // The next attempt, with its fields checked like those of a row. REQUIRES: there is one.
  Result<Record> Next();

 private:
  explicit ColumnReader(const v1::AttemptColumns& columns) : columns_(&columns) {}

  const v1::AttemptColumns* columns_;
  int next_ = 0;
  size_t address_ = 0;  // where its addresses begin
  int64_t first_seen_ = 0;
  v1::Record row_;
};

}  // namespace parallax::collector
