#include "sensor/spool/spool_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/unit/temp_dir.h"

namespace parallax::sensor {
namespace {

using testing::HasSubstr;

TEST(SpoolFolder, WritesReadsListsAndRemoves) {
  const TempDir dir;
  const auto files = OpenSpoolFolder(dir.Path("spool"));
  ASSERT_TRUE(files) << files.error().message;
  struct stat status = {};
  ASSERT_EQ(::stat(dir.Path("spool").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
  const auto file = (*files)->Open("a");
  ASSERT_TRUE(file);
  ASSERT_TRUE((*file)->Write(0, "hello world"));
  ASSERT_TRUE((*file)->Write(6, "there"));
  ASSERT_TRUE((*file)->Sync());
  ASSERT_TRUE((*files)->SyncFolder());
  EXPECT_EQ(*(*file)->Read(0, 100), "hello there");
  EXPECT_EQ(*(*file)->Read(6, 2), "th");
  EXPECT_EQ(*(*file)->Read(100, 2), "");
  const auto listed = (*files)->List();
  ASSERT_TRUE(listed);
  ASSERT_EQ(listed->size(), 1u);  // the lock is nobody's business
  EXPECT_EQ(listed->front().name, "a");
  EXPECT_EQ(listed->front().size, 11u);
  EXPECT_TRUE((*files)->Remove("a"));
  EXPECT_TRUE((*files)->Remove("a"));
  EXPECT_TRUE((*files)->List()->empty());
}

TEST(SpoolFolder, HasOneOwner) {
  const TempDir dir;
  const auto first = OpenSpoolFolder(dir.Path("spool"));
  ASSERT_TRUE(first);
  const auto second = OpenSpoolFolder(dir.Path("spool"));
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message, HasSubstr("another parallax-sensor"));
  EXPECT_TRUE(ReadSpoolFolder(dir.Path("spool")));
}

TEST(SpoolFolder, AMissingParentIsNamed) {
  const TempDir dir;
  const auto files = OpenSpoolFolder(dir.Path("no/spool"));
  ASSERT_FALSE(files);
  EXPECT_EQ(files.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(files.error().message, HasSubstr(dir.Path("no/spool")));
}

TEST(SpoolFolder, LinksAreNotFollowed) {
  const TempDir dir;
  const std::string outside = dir.Write("outside", "precious");
  const auto files = OpenSpoolFolder(dir.Path("spool"));
  ASSERT_TRUE(files);
  std::filesystem::create_symlink(outside, dir.Path("spool/acked"));
  EXPECT_FALSE((*files)->Open("acked"));
  EXPECT_EQ(ReadAll(outside), "precious");
}

}  // namespace
}  // namespace parallax::sensor
