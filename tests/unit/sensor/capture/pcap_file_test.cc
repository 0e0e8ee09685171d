#include "sensor/capture/pcap_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "tests/unit/temp_dir.h"
#include "tests/unit/without_privilege.h"

namespace parallax::sensor {
namespace {

using testing::HasSubstr;

std::string Data(const std::string& name) { return PARALLAX_CAPTURE_DATA "/" + name; }

// Frames read until the end or an error; the error, if any.
struct Outcome {
  uint64_t frames = 0;
  std::string error;
};
Outcome ReadOut(PcapFile& file) {
  Outcome outcome;
  PcapFile::Frame frame;
  for (;;) {
    const auto more = file.Next(frame);
    if (!more) {
      outcome.error = more.error().message;
    }
    if (!more || !*more) {
      return outcome;
    }
    outcome.frames = frame.number;
  }
}

TEST(PcapFile, EveryFormatHasTheSameFrames) {
  for (const char* name : {"big_endian.pcap", "nanoseconds.pcap", "big_endian_nanoseconds.pcap",
                           "plain.pcapng", "big_endian.pcapng"}) {
    SCOPED_TRACE(name);
    auto file = PcapFile::Open(Data(name));
    ASSERT_TRUE(file) << file.error().message;
    PcapFile::Frame frame;
    ASSERT_TRUE(file->Next(frame).value());
    EXPECT_EQ(frame.number, 1u);
    EXPECT_EQ(frame.captured.size(), 54u);
    EXPECT_EQ(frame.wire_length, 54u);
    EXPECT_EQ(frame.link_type, LinkType::kEthernet);
    ASSERT_TRUE(file->Next(frame).value());
    const bool nano = std::string_view(name) != "big_endian.pcap";
    EXPECT_EQ(frame.stamp, *ParseRfc3339(nano ? "2026-01-01T00:00:01.000000001Z"
                                              : "2026-01-01T00:00:01.000001Z"));
    EXPECT_EQ(ReadOut(*file).frames, 3u);
  }
}

TEST(PcapFile, AFileCutAnywhereGivesItsWholeFramesAndThenAnError) {
  const TempDir dir;
  for (const char* name : {"big_endian.pcap", "plain.pcapng"}) {
    const std::string whole = ReadAll(Data(name));
    for (size_t length = 0; length < whole.size(); ++length) {
      SCOPED_TRACE(std::string(name) + " cut to " + std::to_string(length));
      const std::string path = dir.Write("cut", whole.substr(0, length));
      auto file = PcapFile::Open(path);
      if (!file) {
        EXPECT_THAT(file.error().message, HasSubstr(path + ": not a pcap or pcapng capture"));
        continue;
      }
      const Outcome outcome = ReadOut(*file);
      EXPECT_LT(outcome.frames, 3u);
      if (!outcome.error.empty()) {  // it may have been cut between two frames
        EXPECT_THAT(outcome.error, HasSubstr(path + ": cut short or damaged after frame " +
                                             std::to_string(outcome.frames)));
      }
    }
  }
}

TEST(PcapFile, DamagedBytesEndInAnErrorAtWorst) {
  const TempDir dir;
  for (const char* name : {"big_endian.pcap", "plain.pcapng"}) {
    const std::string whole = ReadAll(Data(name));
    for (size_t at = 0; at < whole.size(); ++at) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ 0xff);
      auto file = PcapFile::Open(dir.Write("damaged", damaged));
      if (file) {
        EXPECT_LE(ReadOut(*file).frames, 4u);
      }
    }
  }
}

TEST(PcapFile, WhatIsNoCapture) {
  const TempDir dir;
  const auto missing = PcapFile::Open(dir.Path("nothing"));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(missing.error().message, HasSubstr(dir.Path("nothing")));

  const auto folder = PcapFile::Open(dir.path());
  ASSERT_FALSE(folder);
  EXPECT_THAT(folder.error().message, HasSubstr("is a folder"));

  for (const char* content : {"", "x", "#!/bin/sh\necho hello\n", "GIF89a............"}) {
    const auto file = PcapFile::Open(dir.Write("file", content));
    ASSERT_FALSE(file) << content;
    EXPECT_EQ(file.error().code, ErrorCode::kFailure);
    EXPECT_THAT(file.error().message, HasSubstr(dir.Path("file") + ": not a pcap or pcapng"));
  }
}

TEST(PcapFile, AnUnsupportedLinkTypeIsNamed) {
  const TempDir dir;
  std::string radiotap = ReadAll(Data("raw.pcap"));
  radiotap[20] = 127;
  const auto file = PcapFile::Open(dir.Write("wifi", radiotap));
  ASSERT_FALSE(file);
  EXPECT_THAT(file.error().message, HasSubstr("link type IEEE802_11_RADIO (127) is not supported"));
  EXPECT_THAT(file.error().message, HasSubstr("EN10MB"));
}

TEST(PcapFile, AFileWeMayNotRead) {
  const TempDir dir;
  const std::string path = dir.Write("secret", ReadAll(Data("raw.pcap")));
  std::filesystem::permissions(path, std::filesystem::perms::none);
  const WithoutPrivilege ordinary;
  const auto file = PcapFile::Open(path);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, ErrorCode::kPermission);
}

}  // namespace
}  // namespace parallax::sensor
