// Saved captures that are large, strange or come through a pipe.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "common/fd.h"
#include "largest_allocation.h"
#include "saved_bytes.h"
#include "sensor/capture/pcap_file.h"
#include "tests/unit/temp_dir.h"

namespace parallax::sensor {
namespace {

using namespace saved;
using testing::EndsWith;
using testing::HasSubstr;

constexpr Order kLittle = Order::kLittle;

struct Outcome {
  std::vector<uint64_t> numbers;  // of the frames read
  std::string error;
  bool operator==(const Outcome&) const = default;
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
    outcome.numbers.push_back(frame.number);
  }
}

// Reads a file with this content.
Outcome ReadBytes(const TempDir& dir, const Bytes& content) {
  auto file = PcapFile::Open(dir.Write("capture", AsString(content)));
  if (!file) {
    return {{}, file.error().message};
  }
  return ReadOut(*file);
}

Bytes ManyFrames(uint32_t count) {
  Bytes file = FileHeader(kLittle);
  for (uint32_t i = 0; i < count; ++i) {
    const Bytes record = Record(kLittle, kNewYear, i, 60, 60, Bytes(60, 1));
    file.insert(file.end(), record.begin(), record.end());
  }
  return file;
}

// Standard input is something else as long as this lives.
class StandardInput {
 public:
  explicit StandardInput(int fd) : saved_(dup(STDIN_FILENO)) { dup2(fd, STDIN_FILENO); }
  ~StandardInput() { dup2(saved_.get(), STDIN_FILENO); }
  StandardInput(const StandardInput&) = delete;
  StandardInput& operator=(const StandardInput&) = delete;

 private:
  UniqueFd saved_;
};

void WriteAll(int fd, const Bytes& bytes, size_t piece) {
  for (size_t at = 0; at < bytes.size(); at += piece) {
    const size_t size = std::min(piece, bytes.size() - at);
    ASSERT_EQ(write(fd, bytes.data() + at, size), static_cast<ssize_t>(size));
  }
}

TEST(PcapStream, APipeGivesFramesAsTheyCome) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  const StandardInput standard_input(reader.get());
  const Bytes record = Record(kLittle, kNewYear, 0, 3, 3, {1, 2, 3});
  WriteAll(writer.get(), Join({FileHeader(kLittle), record}), 1000);
  auto file = PcapFile::Open("-");
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->size(), 0u);
  int waits = 0;
  // The next frame is only written once the reader says that it is about to wait.
  file->BeforeWaiting([&] {
    if (++waits == 1) {
      WriteAll(writer.get(), record, 7);
    } else {
      writer = UniqueFd();
    }
  });
  PcapFile::Frame frame;
  ASSERT_TRUE(file->Next(frame).value());
  EXPECT_EQ(waits, 0);  // it was there already
  ASSERT_TRUE(file->Next(frame).value());
  EXPECT_EQ(frame.number, 2u);
  EXPECT_EQ(waits, 1);
  EXPECT_FALSE(file->Next(frame).value());
  EXPECT_GE(waits, 2);
  EXPECT_EQ(file->position(), 24u + 2 * 19);
}

TEST(PcapStream, APipeByteByByteIsLikeAFile) {
  const TempDir dir;
  const std::string fifo = dir.Path("fifo");
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  std::thread writer([&] {
    const UniqueFd fd(open(fifo.c_str(), O_WRONLY | O_CLOEXEC));
    WriteAll(fd.get(), Rich(), 1);
  });
  auto file = PcapFile::Open(fifo);
  ASSERT_TRUE(file) << file.error().message;
  const Outcome piped = ReadOut(*file);
  writer.join();
  Outcome read = ReadBytes(dir, Rich());
  EXPECT_EQ(piped.numbers, read.numbers);
  EXPECT_EQ(piped.error.substr(piped.error.find(": of")),
            read.error.substr(read.error.find(": of")));
}

TEST(PcapStream, AFileOnStandardInputIsKnownToItsEnd) {
  const TempDir dir;
  const Bytes content = ManyFrames(20'000);
  const UniqueFd fd(open(dir.Write("file", AsString(content)).c_str(), O_RDONLY | O_CLOEXEC));
  const StandardInput standard_input(fd.get());
  auto file = PcapFile::Open("-");
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->size(), content.size());
  file->BeforeWaiting([] { ADD_FAILURE() << "a file has no writer to wait for"; });
  EXPECT_EQ(ReadOut(*file).numbers.size(), 20'000u);
  EXPECT_EQ(file->position(), content.size());
}

TEST(PcapStream, StandardInputIsNamedInErrors) {
  const TempDir dir;
  const UniqueFd fd(open(dir.Write("text", "hello").c_str(), O_RDONLY | O_CLOEXEC));
  const StandardInput standard_input(fd.get());
  const auto file = PcapFile::Open("-");
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().message,
            "standard input: not a pcap or pcapng capture (starts with 68 65 6c 6c)");
}

TEST(PcapStream, BlocksLargerThanWhatIsReadAhead) {
  const TempDir dir;
  const Bytes start = Join({Section(kLittle), Interface(kLittle)});
  const Bytes frame = Enhanced(kLittle, 0, 0, Bytes(60, 1));
  // An unknown block of 3 MB, and a packet block with a comment of as much.
  const Bytes unknown = Block(kLittle, 0xbeef, Bytes(3'000'001, 2));
  const Bytes commented =
      Block(kLittle, 6,
            Join({Number(kLittle, 0, 12), Number(kLittle, 60, 4), Number(kLittle, 60, 4),
                  Bytes(60, 1), Option(kLittle, 1, Bytes(65'000, 'c')), Bytes(3'000'000, 0)}));
  const std::vector<uint64_t> two = {1, 2};
  EXPECT_EQ(ReadBytes(dir, Join({start, frame, unknown, frame})), (Outcome{two, ""}));
  EXPECT_EQ(ReadBytes(dir, Join({start, commented, frame})), (Outcome{two, ""}));
  EXPECT_EQ(ReadBytes(dir, Join({start, frame, unknown})), (Outcome{{1}, ""}));
}

TEST(PcapStream, BlocksThatEndBeyondTheFile) {
  const TempDir dir;
  const Bytes start = Join({Section(kLittle), Interface(kLittle), Enhanced(kLittle, 0, 0, {1})});
  for (const uint32_t length : {16u, 1'000'000u, 0xfffffffcu}) {
    const Outcome unknown = ReadBytes(
        dir, Join({start, Number(kLittle, 0xbeef, 4), Number(kLittle, length, 4), Bytes(4, 0)}));
    EXPECT_EQ(unknown.numbers, std::vector<uint64_t>{1});
    EXPECT_THAT(unknown.error, EndsWith(": cut short or damaged after frame 1 (a block that ends "
                                        "beyond the end of the file)"));
  }
  const Outcome wanted = ReadBytes(
      dir, Join({start, Number(kLittle, 6, 4), Number(kLittle, 1'000'000, 4), Bytes(4, 0)}));
  EXPECT_THAT(wanted.error, EndsWith(": cut short or damaged after frame 1 (it ends within a frame "
                                     "or block)"));
}

TEST(PcapStream, LinkTypesThatWeDoNotReadAreNamedAndCounted) {
  const TempDir dir;
  const Bytes frame(60, 1);
  const auto from = [&](uint32_t interface) { return Enhanced(kLittle, interface, 0, frame); };
  const Outcome mixed = ReadBytes(
      dir,
      Join({Section(kLittle), Interface(kLittle, {.link = 127}), Interface(kLittle),
            Interface(kLittle, {.link = 65000}), from(0), from(1), from(0), from(2), from(1)}));
  EXPECT_EQ(mixed.numbers, (std::vector<uint64_t>{2, 5}));
  EXPECT_THAT(mixed.error,
              HasSubstr("capture: of 5 frames, these have a link type that is not supported: 2 of "
                        "IEEE802_11_RADIO (127), 1 of number 65000 (supported: EN10MB, RAW, "));
  // Of a pcap file all frames would be such: it is not even opened.
  const auto plain = PcapFile::Open(dir.Write(
      "plain",
      AsString(Join({FileHeader(kLittle, kMicros, 127), Record(kLittle, 0, 0, 1, 1, {1})}))));
  ASSERT_FALSE(plain);
  EXPECT_THAT(plain.error().message,
              HasSubstr("link type IEEE802_11_RADIO (127) is not supported"));
  // An interface that nothing was captured on does no harm.
  EXPECT_EQ(ReadBytes(dir, Join({Section(kLittle), Interface(kLittle, {.link = 127}),
                                 Interface(kLittle), from(1)})),
            (Outcome{{1}, ""}));
}

TEST(PcapStream, CompressedFilesComeWithAdvice) {
  const TempDir dir;
  const std::tuple<Bytes, std::string, std::string> cases[] = {
      {{0x1f, 0x8b, 8, 0, 0}, "gzip", "zcat"},
      {{0x28, 0xb5, 0x2f, 0xfd, 0}, "zstd", "zstdcat"},
      {{0xfd, '7', 'z', 'X', 'Z', 0}, "xz", "xzcat"},
      {Text("BZh91AY"), "bzip2", "bzcat"},
  };
  for (const auto& [content, kind, reader] : cases) {
    EXPECT_THAT(ReadBytes(dir, content).error,
                EndsWith("; it is compressed with " + kind + ": try " + reader +
                         " FILE | parallax-sensor capture --read -"));
  }
  EXPECT_THAT(ReadBytes(dir, {0x1f, 0x8b}).error, HasSubstr("gzip"));  // cut short as well
}

// However much a damaged file claims, memory grows with what is really there.
TEST(PcapStream, MemoryIsWhatTheFileWarrants) {
  const TempDir dir;
  constexpr size_t kReadAhead = size_t{1} << 19;
  const Bytes rich = Rich();
  for (size_t at = 0; at < rich.size(); ++at) {
    Bytes damaged = rich;
    damaged[at] ^= 0xff;
    const std::string path = dir.Write("damaged", AsString(damaged));
    LargestAllocation::Reset();
    if (auto file = PcapFile::Open(path)) {
      ReadOut(*file);
    }
    ASSERT_LE(LargestAllocation::Bytes(), 2 * kReadAhead) << at;
  }
  LargestAllocation::Reset();
  ReadBytes(dir, Join({Section(kLittle), Number(kLittle, 6, 4), Number(kLittle, 0xfffff0, 4),
                       Bytes(4'000'000, 0)}));
  EXPECT_LE(LargestAllocation::Bytes(), 16'000'000u);
}

}  // namespace
}  // namespace parallax::sensor
