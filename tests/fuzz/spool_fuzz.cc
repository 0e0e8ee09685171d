// The readers of the spool's files: whatever the bytes are, they end, they stay within the bytes,
// and what they give out is in order. The first byte says what the rest is.
#include <string>
#include <string_view>

#include "sensor/spool/spool_format.h"
#include "sensor/spool/spool_report.h"
#include "tests/fuzz/require.h"
#include "tests/unit/sensor/spool/fake_files.h"

namespace parallax::sensor {
namespace {

void ReadRecords(std::string_view bytes) {
  RecordReader reader(bytes, 0);
  uint64_t last = 0;
  size_t used = 0;
  while (reader.Next()) {
    Require(reader.sequence() > last, "sequences go up");
    Require(!reader.payload().empty() && reader.payload().size() <= kMostPayload,
            "payloads of a legal size");
    Require(reader.offset() <= bytes.size(), "within the bytes");
    // What was read is what would be written.
    std::string again;
    EncodeRecord(reader.sequence(), reader.appended(), reader.payload(), again);
    Require(bytes.substr(reader.offset() - again.size(), again.size()) == again,
            "what was read is what would be written");
    last = reader.sequence();
    used += again.size();
  }
  Require(used + reader.damaged_bytes() == bytes.size(), "every byte is a record's or damage");
}

// As a file of a spool's folder.
void Inspect(std::string_view bytes, const std::string& name) {
  FakeDisk disk;
  disk.files[name] = std::make_shared<FakeDisk::File>();
  disk.files[name]->content = std::string(bytes);
  FakeFiles files(disk);
  const auto report = InspectSpool(files);
  Require(report.has_value(), "the folder can be read");
  for (const SegmentReport& segment : report->segments) {
    Require(segment.waiting <= segment.records, "no more waits than is there");
    Require(segment.records == 0 || segment.last >= segment.first, "sequences go up in a segment");
  }
}

}  // namespace
}  // namespace parallax::sensor

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace parallax;
  using namespace parallax::sensor;
  constexpr size_t kMost = 1 << 16;  // a reader that is confused looks at every byte
  if (size == 0 || size > kMost) {
    return 0;
  }
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0:
      ReadRecords(rest);
      break;
    case 1:
      Inspect(rest, "bulk-0000000000000001-0000000000000001.seg");
      break;
    case 2:
      if (const auto acked = DecodeAcked(rest)) {
        Require(DecodeAcked(EncodeAcked(*acked))->sequences == acked->sequences,
                "acknowledgements are read back");
      }
      Inspect(rest, std::string(kAckedFile));
      break;
    case 3:
      if (const auto header = ParseSegmentName(rest)) {
        Require(SegmentName(*header) == rest, "names are read back");
      }
      if (const auto header = DecodeHeader(rest)) {
        Require(DecodeHeader(EncodeHeader(*header)) == *header, "headers are read back");
      }
      break;
  }
  return 0;
}
