#include "sensor/capture/capture_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "saved_bytes.h"

namespace parallax::sensor {
namespace {

using namespace saved;
using testing::HasSubstr;
using Step = CaptureParser::Step;

struct Frame {
  Bytes captured;
  uint32_t wire_length = 0;
  std::string stamp;
  int link_number = 0;
  std::optional<LinkType> link_type;
  std::string interface;
  bool operator==(const Frame&) const = default;
};
struct Result {
  std::vector<Frame> frames;
  std::string error;  // "cut": the file ends within an item
  size_t steps = 0;
};

// Reads a file in windows of what is left, or as small as the parser lets us.
Result Parse(const Bytes& file, bool small_windows = false) {
  Result result;
  CaptureParser parser;
  SavedFrame frame;
  size_t at = 0;
  for (size_t need = 1; at < file.size();) {
    if (file.size() - at < need) {
      result.error = "cut";
      break;
    }
    const size_t size = small_windows ? need : file.size() - at;
    const auto parsed = parser.Parse({file.data() + at, size}, frame);
    if (++result.steps > file.size() + 10) {
      ADD_FAILURE() << "does not get on";
      break;
    }
    if (!parsed) {
      result.error = parsed.error().message;
      break;
    }
    if (parsed->step == Step::kMore) {
      EXPECT_GT(parsed->bytes, size);
      EXPECT_LE(parsed->bytes, CaptureParser::kLongestItem);
      need = parsed->bytes;
      continue;
    }
    if (parsed->step == Step::kFrame) {
      EXPECT_LE(parsed->bytes, size);
      result.frames.push_back({Bytes(frame.captured.begin(), frame.captured.end()),
                               frame.wire_length, FormatRfc3339(frame.stamp), frame.link_number,
                               frame.link_type, std::string(frame.interface)});
    } else if (parsed->bytes > file.size() - at) {
      result.error = "cut";
      break;
    }
    at += parsed->bytes;
    need = 1;
  }
  return result;
}

// The only frame of a pcapng file with this one interface.
Frame Only(const InterfaceFields& interface, uint64_t ticks) {
  const Order o = Order::kLittle;
  const Result result =
      Parse(Join({Section(o), Interface(o, interface), Enhanced(o, 0, ticks, {1, 2, 3})}));
  EXPECT_EQ(result.error, "");
  EXPECT_EQ(result.frames.size(), 1u);
  return result.frames.empty() ? Frame{} : result.frames.front();
}

TEST(CaptureFormat, EveryClockResolutionAndOffset) {
  struct Case {
    std::optional<uint8_t> resolution;
    std::optional<int64_t> offset;
    uint64_t ticks;
    const char* stamp;
  };
  const auto shift = static_cast<int64_t>(kNewYear);
  const Case cases[] = {
      {{}, {}, kNewYearMicros + 1, "2026-01-01T00:00:00.000001Z"},  // microseconds if not told
      {0, {}, kNewYear + 1, "2026-01-01T00:00:01.000000Z"},
      {3, {}, kNewYear * 1000 + 5, "2026-01-01T00:00:00.005000Z"},
      {6, {}, kNewYearMicros + 999'999, "2026-01-01T00:00:00.999999Z"},
      {9, {}, kNewYearMicros * 1000 + 7'000, "2026-01-01T00:00:00.000007Z"},
      {12, shift, 250'000'000'000, "2026-01-01T00:00:00.250000Z"},  // 2^64 ps are half a year
      {19, shift, 15'000'000'000'000'000'000u, "2026-01-01T00:00:01.500000Z"},
      {0x80, {}, kNewYear, "2026-01-01T00:00:00.000000Z"},
      {0x8a, {}, kNewYear * 1024 + 512, "2026-01-01T00:00:00.500000Z"},
      {0xa0, {}, kNewYear << 32 | 0x40000000, "2026-01-01T00:00:00.250000Z"},
      {0xbf, shift, 0xc000000000000000, "2026-01-01T00:00:01.500000Z"},
      {6, 3600, kNewYearMicros, "2026-01-01T01:00:00.000000Z"},
      {6, -3600, kNewYearMicros, "2025-12-31T23:00:00.000000Z"},
      // Beyond what we reckon with: 1970 to 2115.
      {6, -3'000'000'000, kNewYearMicros, "1970-01-01T00:00:00.000000Z"},
      {6, INT64_MIN, 0, "1970-01-01T00:00:00.000000Z"},
      {6, INT64_MAX, 5, "2115-10-08T17:46:40.000005Z"},
      {0, {}, 0xffffffffffffffff, "2115-10-08T17:46:40.000000Z"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.stamp);
    EXPECT_EQ(Only({.resolution = c.resolution, .offset = c.offset}, c.ticks).stamp, c.stamp);
  }
}

TEST(CaptureFormat, InterfacesOfDifferentKinds) {
  for (const Order o : {Order::kLittle, Order::kBig}) {
    const Result result = Parse(Join(
        {Section(o), Interface(o, {.link = 1, .snap_length = 96, .name = "eth0", .resolution = 9}),
         Enhanced(o, 0, kNewYearMicros * 1000, {1, 2}, 1500),
         Interface(o, {.link = 101, .name = "tun0"}),  // may come later than packets
         Interface(o, {.link = 127, .name = "wlan0"}), Enhanced(o, 1, kNewYearMicros, {3}),
         Enhanced(o, 2, kNewYearMicros, {4}), Enhanced(o, 0, kNewYearMicros * 1000, {})}));
    EXPECT_EQ(result.error, "");
    const std::string stamp = "2026-01-01T00:00:00.000000Z";
    EXPECT_EQ(result.frames,
              (std::vector<Frame>{{{1, 2}, 1500, stamp, 1, LinkType::kEthernet, "eth0"},
                                  {{3}, 1, stamp, 101, LinkType::kRaw, "tun0"},
                                  {{4}, 1, stamp, 127, std::nullopt, "wlan0"},
                                  {{}, 0, stamp, 1, LinkType::kEthernet, "eth0"}}));
  }
}

TEST(CaptureFormat, SectionsHaveTheirOwnByteOrderAndInterfaces) {
  const Order l = Order::kLittle;
  const Order b = Order::kBig;
  const Bytes two = Join(
      {Section(l), Interface(l, {.link = 1, .name = "a"}), Interface(l, {.link = 101, .name = "b"}),
       Section(b), Interface(b, {.link = 113, .name = "c"}), Enhanced(b, 0, kNewYearMicros, {9})});
  const Result result = Parse(two);
  ASSERT_EQ(result.frames.size(), 1u) << result.error;
  EXPECT_EQ(result.frames[0].interface, "c");
  EXPECT_EQ(result.frames[0].link_type, LinkType::kLinuxSll);
  const Result gone = Parse(Join({two, Enhanced(b, 1, 0, {1})}));
  EXPECT_EQ(gone.frames.size(), 1u);
  EXPECT_EQ(gone.error, "a packet of interface 1, which is not described");
}

TEST(CaptureFormat, SimpleAndObsoletePacketBlocks) {
  for (const Order o : {Order::kLittle, Order::kBig}) {
    const Bytes ten(10, 5);
    const Result result = Parse(Join(
        {Section(o), Interface(o, {.link = 1, .snap_length = 7, .name = "eth0"}), Simple(o, ten),
         Obsolete(o, 0, 65535, kNewYearMicros, ten), Simple(o, Bytes(7, 1), 1500), Simple(o, {})}));
    ASSERT_EQ(result.frames.size(), 4u) << result.error;
    // Cut to the snapshot length, like a capture's; the stamp is that of the frame before.
    EXPECT_EQ(result.frames[0].captured.size(), 7u);
    EXPECT_EQ(result.frames[0].wire_length, 10u);
    EXPECT_EQ(result.frames[0].stamp, "1970-01-01T00:00:00.000000Z");
    EXPECT_EQ(result.frames[1].captured, ten);
    EXPECT_EQ(result.frames[1].stamp, "2026-01-01T00:00:00.000000Z");
    EXPECT_EQ(result.frames[2].captured, Bytes(7, 1));
    EXPECT_EQ(result.frames[2].wire_length, 1500u);
    EXPECT_EQ(result.frames[2].stamp, "2026-01-01T00:00:00.000000Z");
    EXPECT_EQ(result.frames[3].captured, Bytes());
  }
  const Order o = Order::kLittle;
  EXPECT_EQ(Parse(Join({Section(o), Simple(o, {1})})).error,
            "a packet of interface 0, which is not described");
}

TEST(CaptureFormat, UnknownBlocksOfAnySizeArePassedOver) {
  const Order o = Order::kLittle;
  for (const size_t size : {0u, 4u, 1000u, 5'000'000u}) {
    const Result result =
        Parse(Join({Section(o), Block(o, 0xbeef, Bytes(size, 1)), Interface(o, {}),
                    Block(o, 0x80000001, Bytes(size, 2)), Enhanced(o, 0, 0, {1})}));
    EXPECT_EQ(result.error, "");
    EXPECT_EQ(result.frames.size(), 1u);
  }
  // Of one that is longer than we would keep in memory, the header alone is looked at.
  CaptureParser parser;
  SavedFrame frame;
  Bytes head = Join({Number(o, 0xbeef, 4), Number(o, 0xfffffffc, 4), Number(o, 0, 4)});
  ASSERT_TRUE(parser.Parse(Section(o), frame));
  ASSERT_TRUE(parser.Parse(Section(o), frame));
  const auto parsed = parser.Parse(head, frame);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->step, Step::kSkip);
  EXPECT_EQ(parsed->bytes, 0xfffffffcu);
}

TEST(CaptureFormat, NamesAreCleanAndBounded) {
  EXPECT_EQ(Only({.name = "eth0"}, 0).interface, "eth0");
  EXPECT_EQ(Only({.name = std::string("eth0\0junk", 9)}, 0).interface, "eth0");
  EXPECT_EQ(Only({.name = "a\x1b[31m\xff \"\n"}, 0).interface, "a?[31m? \"?");
  EXPECT_EQ(Only({.name = std::string(300, 'x')}, 0).interface, std::string(64, 'x'));
  EXPECT_EQ(Only({}, 0).interface, "");

  // A mebibyte of names is enough: later ones stay without.
  const Order o = Order::kLittle;
  Bytes file = Section(o);
  const auto add = [&](const Bytes& more) { file.insert(file.end(), more.begin(), more.end()); };
  constexpr uint32_t kInterfaces = 17'000;
  for (uint32_t i = 0; i < kInterfaces; ++i) {
    const std::string name = std::to_string(i);
    add(Interface(o, {.name = name + std::string(64 - name.size(), '.')}));
  }
  add(Enhanced(o, 0, 0, {}));
  add(Enhanced(o, kInterfaces - 1, 0, {}));
  const Result result = Parse(file);
  ASSERT_EQ(result.frames.size(), 2u);
  EXPECT_EQ(result.frames[0].interface.size(), 64u);
  EXPECT_EQ(result.frames[1].interface, "");
  for (uint32_t i = kInterfaces; i <= 65536; ++i) {
    add(Interface(o, {}));
  }
  EXPECT_EQ(Parse(file).error, "more than 65536 interfaces");
}

TEST(CaptureFormat, PcapInEitherOrderAndResolution) {
  for (const Order o : {Order::kLittle, Order::kBig}) {
    for (const auto& [magic, stamp] : {std::pair(kMicros, "2026-01-01T00:00:00.250000Z"),
                                       {kNanos, "2026-01-01T00:00:00.000250Z"}}) {
      const Result result =
          Parse(Join({FileHeader(o, magic, 101), Record(o, kNewYear, 250'000, 3, 1500, {1, 2, 3}),
                      Record(o, kNewYear, 250'000, 0, 0, {})}));
      EXPECT_EQ(result.error, "");
      EXPECT_EQ(result.frames,
                (std::vector<Frame>{{{1, 2, 3}, 1500, stamp, 101, LinkType::kRaw, ""},
                                    {{}, 0, stamp, 101, LinkType::kRaw, ""}}));
    }
    // Above the link type stands the length of the frame check sequence.
    const Result fcs =
        Parse(Join({FileHeader(o, kMicros, 0xf4000001), Record(o, kNewYear, 0, 1, 1, {1})}));
    ASSERT_EQ(fcs.frames.size(), 1u);
    EXPECT_EQ(fcs.frames[0].link_type, LinkType::kEthernet);
  }
}

TEST(CaptureFormat, KuznetsovsLongerRecordHeaders) {
  for (const Order o : {Order::kLittle, Order::kBig}) {
    const Bytes extra = Join({Number(o, 2, 4), Number(o, 0x800, 2), Number(o, 0, 2)});
    const Result result =
        Parse(Join({FileHeader(o, kKuznetsov), Record(o, kNewYear, 1, 2, 2, Join({extra, {1, 2}})),
                    Record(o, kNewYear, 2, 1, 1, Join({extra, {3}}))}));
    EXPECT_EQ(result.error, "");
    ASSERT_EQ(result.frames.size(), 2u);
    EXPECT_EQ(result.frames[0].captured, (Bytes{1, 2}));
    EXPECT_EQ(result.frames[1].captured, Bytes{3});
    EXPECT_EQ(result.frames[1].stamp, "2026-01-01T00:00:00.000002Z");
  }
}

TEST(CaptureFormat, OldVersionsTellTheTwoLengthsInTheOtherOrder) {
  const Order o = Order::kBig;
  struct Case {
    unsigned major, minor;
    uint32_t first, second;
  };
  for (const Case& c : {Case{2, 4, 2, 60},
                        {2, 2, 60, 2},
                        {2, 0, 60, 2},
                        {543, 0, 60, 2},
                        {2, 3, 2, 60},
                        {2, 3, 60, 2}}) {
    SCOPED_TRACE(std::to_string(c.major) + "." + std::to_string(c.minor));
    const Result result = Parse(Join({FileHeader(o, kMicros, 1, c.major, c.minor),
                                      Record(o, kNewYear, 0, c.first, c.second, {1, 2})}));
    ASSERT_EQ(result.frames.size(), 1u) << result.error;
    EXPECT_EQ(result.frames[0].captured, (Bytes{1, 2}));
    EXPECT_EQ(result.frames[0].wire_length, 60u);
  }
  EXPECT_EQ(Parse(FileHeader(o, kMicros, 1, 3, 0)).error, "version 3.0 of the format is not known");
}

TEST(CaptureFormat, WhatIsWrongIsNamed) {
  const Order o = Order::kLittle;
  const Bytes start = Join({Section(o), Interface(o, {})});
  const auto interface = [&](const Bytes& options) {
    return Join({Section(o), Block(o, 1, Join({Number(o, 1, 8), options}))});
  };
  Bytes two_lengths = Block(o, 6, Bytes(24, 0));
  two_lengths[two_lengths.size() - 4] ^= 4;
  Bytes no_order = Section(o);
  no_order[8] ^= 1;
  const std::pair<Bytes, std::string> cases[] = {
      {Text("#!/bin/sh"), "starts with 23 21 2f 62"},
      {no_order, "a section header without a byte order"},
      {Section(o, 2), "version 2.0 of the format is not known"},
      {Block(o, 0x0a0d0d0a, Number(o, 0x1a2b3c4d, 4)), "a section header that is too short"},
      {Join({start, Number(o, 6, 4), Number(o, 8, 4), Bytes(40, 0)}), "a block of 8 bytes"},
      {Join({start, Number(o, 6, 4), Number(o, 31, 4), Bytes(40, 0)}), "a block of 31 bytes"},
      {Join({start, Number(o, 6, 4), Number(o, 0x1000004, 4), Bytes(40, 0)}),
       "a block of 16777220 bytes"},
      {Join({start, two_lengths}), "a block whose two lengths differ"},
      {Join({Section(o), Block(o, 1, Bytes(4, 0))}), "an interface description that is too short"},
      {interface(Join({Number(o, 2, 2), Number(o, 9, 2), Text("eth0")})),
       "an interface description with an option that runs past its end"},
      {interface(Option(o, 9, {20})), "an interface description with an impossible clock"},
      {interface(Option(o, 9, {0xc0})), "an interface description with an impossible clock"},
      {Join({start, Block(o, 6, Bytes(16, 0))}), "a packet block that is too short"},
      {Join({start, Block(o, 2, Bytes(16, 0))}), "a packet block that is too short"},
      {Join({start, Block(o, 3, {})}), "a packet block that is too short"},
      {Join({start, Block(o, 6,
                          Join({Number(o, 0, 8), Number(o, 0, 4), Number(o, 5, 4), Number(o, 5, 4),
                                Bytes(4, 0)}))}),
       "a packet that is longer than its block"},
      {Join({start, Enhanced(o, 7, 0, {})}), "a packet of interface 7, which is not described"},
      {Join({start, Enhanced(o, 0, 0, Bytes(262145, 0))}), "a frame of 262145 bytes"},
      {Join({FileHeader(o), Record(o, 0, 0, 262145, 1, {})}), "a frame of 262145 bytes"},
      {Join({FileHeader(o), Record(o, 0, 0, 0xffffffff, 0xffffffff, {})}),
       "a frame of 4294967295 bytes"},
  };
  for (const auto& [file, error] : cases) {
    EXPECT_EQ(Parse(file).error, error);
    EXPECT_EQ(Parse(file, true).error, error) << "in small windows";
  }
}

TEST(CaptureFormat, WindowsMakeNoDifference) {
  const Result whole = Parse(Rich());
  const Result small = Parse(Rich(), true);
  EXPECT_EQ(whole.error, "");
  EXPECT_EQ(whole.frames.size(), 9u);
  EXPECT_EQ(small.error, "");
  EXPECT_EQ(small.frames, whole.frames);
}

TEST(CaptureFormat, EveryTruncation) {
  const Bytes rich = Rich();
  const Result whole = Parse(rich);
  for (size_t length = 0; length < rich.size(); ++length) {
    // A copy of its own, so that a read past the end is a read past an allocation.
    const Result cut =
        Parse(Bytes(rich.begin(), rich.begin() + static_cast<std::ptrdiff_t>(length)));
    EXPECT_TRUE(cut.error.empty() || cut.error == "cut") << length << ": " << cut.error;
    ASSERT_LE(cut.frames.size(), whole.frames.size());
    EXPECT_TRUE(std::equal(cut.frames.begin(), cut.frames.end(), whole.frames.begin())) << length;
  }
}

TEST(CaptureFormat, EveryDamagedByte) {
  const Bytes rich = Rich();
  const size_t most_steps = rich.size() / 12 + 3;
  for (size_t at = 0; at < rich.size(); ++at) {
    const unsigned was = rich[at];
    for (const unsigned value : {0u, 0xffu, was ^ 0xff, was ^ 0x80, was ^ 4, was + 1, was - 1}) {
      Bytes damaged = rich;
      damaged[at] = static_cast<uint8_t>(value);
      const Result result = Parse(damaged);
      ASSERT_LE(result.steps, most_steps) << at << " := " << value;
      ASSERT_LE(result.frames.size(), 11u) << at << " := " << value;
    }
  }
}

}  // namespace
}  // namespace parallax::sensor
