#include "common/fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <iterator>

#include "tests/unit/temp_dir.h"

namespace parallax {
namespace {

bool IsOpen(int fd) { return fcntl(fd, F_GETFD) != -1; }

size_t FilesIn(const std::string& path) {
  using Iterator = std::filesystem::directory_iterator;
  return static_cast<size_t>(std::distance(Iterator(path), Iterator()));
}

TEST(UniqueFd, ClosesOnceAndMoves) {
  const int raw = open("/dev/null", O_RDONLY | O_CLOEXEC);
  {
    UniqueFd first(raw);
    UniqueFd second(std::move(first));
    EXPECT_EQ(second.get(), raw);
    EXPECT_TRUE(second);
    UniqueFd third;
    EXPECT_FALSE(third);
    third = std::move(second);
    EXPECT_EQ(third.get(), raw);
    EXPECT_TRUE(IsOpen(raw));
  }
  EXPECT_FALSE(IsOpen(raw));
}

TEST(ErrnoError, MapsPermissionAndAbsence) {
  EXPECT_EQ(ErrnoError("x", EACCES).code, ErrorCode::kPermission);
  EXPECT_EQ(ErrnoError("x", EPERM).code, ErrorCode::kPermission);
  EXPECT_EQ(ErrnoError("x", ENOENT).code, ErrorCode::kNotFound);
  EXPECT_EQ(ErrnoError("x", EIO).code, ErrorCode::kFailure);
  EXPECT_EQ(ErrnoError("x", ENOENT).message, "x: No such file or directory");
}

TEST(WriteFileAtomically, WritesWithTheMode) {
  const TempDir dir;
  const std::string path = dir.Path("key");
  ASSERT_TRUE(WriteFileAtomically(path, "secret", 0600, false));
  EXPECT_EQ(ReadAll(path), "secret");
  struct stat status {};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
  EXPECT_EQ(FilesIn(dir.path()), 1u) << "no temporary file may be left";
}

TEST(WriteFileAtomically, ReplacesOnlyWhenAsked) {
  const TempDir dir;
  const std::string path = dir.Write("file", "old");
  const auto refused = WriteFileAtomically(path, "new", 0644, false);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kFailure);
  EXPECT_NE(refused.error().message.find(path), std::string::npos);
  EXPECT_EQ(ReadAll(path), "old");
  EXPECT_EQ(FilesIn(dir.path()), 1u);
  ASSERT_TRUE(WriteFileAtomically(path, "new", 0644, true));
  EXPECT_EQ(ReadAll(path), "new");
}

TEST(WriteFileAtomically, NamesTheFileThatCannotBe) {
  const auto written = WriteFileAtomically("/nonexistent/folder/file", "x", 0644, true);
  ASSERT_FALSE(written);
  EXPECT_NE(written.error().message.find("/nonexistent/folder/file"), std::string::npos);
}

TEST(ReadSmallFile, ReadsBytesAsTheyAre) {
  const TempDir dir;
  const std::string content("a\0b\r\n\xff", 6);
  EXPECT_EQ(ReadSmallFile(dir.Write("file", content)), content);
  EXPECT_EQ(ReadSmallFile(dir.Write("empty", "")), "");
}

TEST(ReadSmallFile, RefusesWhatIsTooLargeOrNoFile) {
  const TempDir dir;
  EXPECT_TRUE(ReadSmallFile(dir.Write("most", std::string(1 << 20, 'x'))));
  EXPECT_FALSE(ReadSmallFile(dir.Write("more", std::string((1 << 20) + 1, 'x'))));
  EXPECT_FALSE(ReadSmallFile("/dev/zero"));
  EXPECT_FALSE(ReadSmallFile(dir.path()));
  const auto missing = ReadSmallFile(dir.Path("missing"));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace parallax
