// The bytes of the spool, written down. Pure. Numbers are little-endian.
//
// A segment file, "CLASS-EPOCH-FIRST.seg" (bulk-00f1e2d3c4b5a697-0000000000000001.seg: the class in
// words, the epoch and the first sequence as 16 hex digits), holds records of one class and epoch:
//
//   header, 48 bytes                        record, 32 bytes and its payload
//     0  8  "PLXSPOOL"                        0  4  CRC-32 (IEEE) of all that follows in the record
//     8  2  version, 1                        4  4  length of the payload, 1 to 65,536
//    10  1  class, 0 to 3                     8  8  sequence, higher than those before
//    11  5  zero                             16  8  appended, monotonic clock, ns
//    16  8  epoch                            24  8  appended, wall clock, ns since the Unix epoch
//    24  8  first sequence                   32     payload: a parallax.v1.Record
//    32  8  boot (when the monotonic clock began: a hash of the kernel's boot id)
//    40  4  zero
//    44  4  CRC-32 of the 44 bytes before
//
// The file "acked" says how far the collector has committed. It has two slots of 4,096 bytes, of
// which the valid one with the higher generation holds; they are written in turn:
//
//     0  8  "PLXACKED"          16  4  entries, at most 250
//     8  8  generation          20  4  1 after a clean stop, else 0
//    24 16  each entry: epoch, last committed sequence
//       4   CRC-32 of all before
//
// A record that is damaged costs itself: the next one is found by its checksum and by a sequence
// that goes on. A damaged header costs nothing: the file's name says the same.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/records.h"
#include "common/time.h"

namespace parallax::sensor {

inline constexpr size_t kSegmentHeaderBytes = 48;
inline constexpr size_t kRecordHeaderBytes = 32;
inline constexpr size_t kMostPayload = 65'536;
inline constexpr size_t kAckedSlotBytes = 4096;
inline constexpr size_t kMostEpochs = 250;
inline constexpr std::string_view kAckedFile = "acked";

struct SegmentHeader {
  RecordClass kind = RecordClass::kBulk;
  uint64_t epoch = 0;
  uint64_t first_sequence = 0;
  uint64_t boot = 0;  // 0: unknown
  bool operator==(const SegmentHeader&) const = default;
};

std::string SegmentName(const SegmentHeader& header);
// All but `boot`; nullopt if it is no name of a segment.
std::optional<SegmentHeader> ParseSegmentName(std::string_view name);
std::string EncodeHeader(const SegmentHeader& header);
// The first bytes of a segment file; nullopt if they are damaged or of another version.
std::optional<SegmentHeader> DecodeHeader(std::string_view bytes);

// What is behind the header of a segment file.
inline std::string_view RecordsIn(std::string_view file) {
  return file.substr(std::min(kSegmentHeaderBytes, file.size()));
}

// Adds a record to `out`. REQUIRES: payload of 1 to kMostPayload bytes.
void EncodeRecord(uint64_t sequence, Moment appended, std::string_view payload, std::string& out);

// Reads records, one after the other, from the bytes of a segment behind its header.
class RecordReader {
 public:
  // Only sequences above `after` are records.
  RecordReader(std::string_view bytes, uint64_t after) : bytes_(bytes), last_(after) {}

  // False at the end, which is where no further record begins. What is damaged is stepped over.
  bool Next();
  uint64_t sequence() const { return last_; }
  Moment appended() const { return appended_; }
  std::string_view payload() const { return payload_; }
  // Where the next record begins.
  size_t offset() const { return offset_; }
  // Bytes stepped over so far: damage, or a tail that was cut off.
  size_t damaged_bytes() const { return damaged_; }

 private:
  bool Parse(size_t at);

  std::string_view bytes_;
  uint64_t last_;
  size_t offset_ = 0;
  size_t damaged_ = 0;
  Moment appended_;
  std::string_view payload_;
};

struct AckedState {
  uint64_t generation = 0;
  bool clean_stop = false;
  std::map<uint64_t, uint64_t> sequences;  // by epoch
};

// One slot, kAckedSlotBytes long. More than kMostEpochs entries: those of the lowest epochs are
// left out, and their records sent again.
std::string EncodeAcked(const AckedState& state);
// The newer valid slot of the file; nullopt if there is none.
std::optional<AckedState> DecodeAcked(std::string_view file);

}  // namespace parallax::sensor
