#include "sensor/spool/spool_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

const SegmentHeader kHeader{RecordClass::kResults, 0x00f1e2d3c4b5a697, 42, 99};
const Moment kNow{MonoTime(1500ms), WallTime(1'700'000'000s)};

TEST(SpoolFormat, BytesAreAsWrittenDown) {
  const std::string header = EncodeHeader(kHeader);
  ASSERT_EQ(header.size(), kSegmentHeaderBytes);
  EXPECT_EQ(header.substr(0, 16), std::string("PLXSPOOL\x01\x00\x02\x00\x00\x00\x00\x00", 16));
  EXPECT_EQ(header.substr(16, 8), "\x97\xa6\xb5\xc4\xd3\xe2\xf1" + std::string(1, '\0'));
  EXPECT_EQ(header.substr(24, 8), std::string("\x2a\0\0\0\0\0\0\0", 8));
  std::string record;
  EncodeRecord(7, kNow, "123456789", record);
  ASSERT_EQ(record.size(), kRecordHeaderBytes + 9);
  EXPECT_EQ(record.substr(4, 12), std::string("\x09\0\0\0\x07\0\0\0\0\0\0\0", 12));
  EXPECT_EQ(record.substr(32), "123456789");
}

TEST(SpoolFormat, NamesAreReadBackAndOthersAreNot) {
  EXPECT_EQ(SegmentName(kHeader), "results-00f1e2d3c4b5a697-000000000000002a.seg");
  EXPECT_EQ(ParseSegmentName(SegmentName(kHeader)),
            (SegmentHeader{kHeader.kind, kHeader.epoch, 42, 0}));
  for (const char* name : {"", "results", "results-00f1e2d3c4b5a697-000000000000002a", "acked",
                           "results-00F1E2D3C4B5A697-000000000000002A.seg",
                           "other-00f1e2d3c4b5a697-0000000000000001.seg",
                           "results-00f1e2d3c4b5a697-0000000000000000.seg",
                           "results-00f1e2d3c4b5a697_000000000000002a.seg",
                           "results-00f1e2d3c4b5a69-7000000000000002a.seg",
                           "results-+0f1e2d3c4b5a697-000000000000002a.seg"}) {
    EXPECT_FALSE(ParseSegmentName(name)) << name;
  }
}

TEST(SpoolFormat, HeadersAreReadBackUnlessAnyByteIsFlipped) {
  const std::string header = EncodeHeader(kHeader);
  EXPECT_EQ(DecodeHeader(header), kHeader);
  EXPECT_FALSE(DecodeHeader(header.substr(0, 47)));
  for (size_t i = 0; i < header.size(); ++i) {
    std::string bad = header;
    bad[i] ^= 1;
    EXPECT_FALSE(DecodeHeader(bad)) << i;
  }
}

TEST(SpoolFormat, ReaderStepsOverDamageAndTornTails) {
  std::string bytes;
  EncodeRecord(1, kNow, "one", bytes);
  const size_t second = bytes.size();
  EncodeRecord(2, kNow, "two", bytes);
  EncodeRecord(5, kNow, "five", bytes);
  const std::string torn = bytes + bytes.substr(0, 20);
  RecordReader reader(torn, 0);
  ASSERT_TRUE(reader.Next());
  EXPECT_EQ(reader.payload(), "one");
  EXPECT_EQ(reader.appended().mono, kNow.mono);
  EXPECT_EQ(reader.appended().wall, kNow.wall);
  EXPECT_EQ(reader.offset(), second);
  ASSERT_TRUE(reader.Next());
  ASSERT_TRUE(reader.Next());
  EXPECT_EQ(reader.sequence(), 5u);
  EXPECT_EQ(reader.damaged_bytes(), 0u);
  EXPECT_FALSE(reader.Next());
  EXPECT_EQ(reader.damaged_bytes(), 20u);
  EXPECT_EQ(reader.offset(), bytes.size());

  bytes[second + 4] ^= 0x40;  // the length of the second one
  RecordReader damaged(bytes, 0);
  ASSERT_TRUE(damaged.Next());
  ASSERT_TRUE(damaged.Next());
  EXPECT_EQ(damaged.payload(), "five");
  EXPECT_EQ(damaged.damaged_bytes(), kRecordHeaderBytes + 3);
}

TEST(SpoolFormat, SequencesThatDoNotGoOnAreNoRecords) {
  std::string bytes;
  EncodeRecord(5, kNow, "five", bytes);
  EncodeRecord(5, kNow, "again", bytes);
  EncodeRecord(4, kNow, "back", bytes);
  RecordReader reader(bytes, 4);
  ASSERT_TRUE(reader.Next());
  EXPECT_FALSE(reader.Next());
  RecordReader later(bytes, 5);
  EXPECT_FALSE(later.Next());
}

TEST(SpoolFormat, TheNewerAckedSlotHolds) {
  AckedState old{3, false, {{10, 5}}};
  AckedState fresh{4, true, {{10, 7}, {11, 1}}};
  const std::string file = EncodeAcked(fresh) + EncodeAcked(old);
  auto read = DecodeAcked(file);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->generation, 4u);
  EXPECT_TRUE(read->clean_stop);
  EXPECT_EQ(read->sequences, fresh.sequences);
  for (size_t i = 0; i < 60; ++i) {  // torn: the other one holds
    std::string bad = file;
    bad[i] ^= 1;
    read = DecodeAcked(bad);
    ASSERT_TRUE(read) << i;
    EXPECT_EQ(read->generation, 3u);
  }
  EXPECT_FALSE(DecodeAcked(""));
  EXPECT_FALSE(DecodeAcked(std::string(2 * kAckedSlotBytes, '\0')));
}

TEST(SpoolFormat, AckedHoldsSoManyEpochs) {
  AckedState state{1, false, {}};
  for (uint64_t i = 1; i <= 2 * kMostEpochs; ++i) {
    state.sequences[i] = i;
  }
  const std::string slot = EncodeAcked(state);
  EXPECT_EQ(slot.size(), kAckedSlotBytes);
  EXPECT_EQ(DecodeAcked(slot)->sequences.size(), kMostEpochs);
}

}  // namespace
}  // namespace parallax::sensor
