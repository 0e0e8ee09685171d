#include "collector/operate/staged_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <vector>

#include "tests/unit/temp_dir.h"

namespace parallax::collector {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> Names(const std::string& path) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

mode_t Mode(const std::string& path) {
  struct stat status {};
  EXPECT_EQ(stat(path.c_str(), &status), 0) << path;
  return status.st_mode & 07777;
}

TEST(StagedFolder, NewFolderAppearsAtTheEnd) {
  const TempDir dir;
  const std::string path = dir.Path("parent/new");
  {
    auto folder = StagedFolder::Create(path);
    ASSERT_TRUE(folder) << folder.error().message;
    ASSERT_TRUE(folder->Write("a", "1", 0600));
    ASSERT_TRUE(folder->Write("b", "2", 0644));
    EXPECT_FALSE(std::filesystem::exists(path));
    ASSERT_TRUE(folder->Publish("b"));
  }
  EXPECT_THAT(Names(path), ElementsAre("a", "b"));
  EXPECT_THAT(Names(dir.Path("parent")), ElementsAre("new"));
  EXPECT_EQ(Mode(path), 0700u);
  EXPECT_EQ(Mode(path + "/a"), 0600u);
  EXPECT_EQ(Mode(path + "/b"), 0644u);
}

TEST(StagedFolder, EmptyFolderIsFilled) {
  const TempDir dir;
  const std::string path = dir.Path("here");
  std::filesystem::create_directory(path);
  struct stat before {};
  ASSERT_EQ(stat(path.c_str(), &before), 0);
  {
    auto folder = StagedFolder::Create(path + "/");
    ASSERT_TRUE(folder) << folder.error().message;
    ASSERT_TRUE(folder->Write("a", "1", 0600));
    ASSERT_TRUE(folder->Write("b", "2", 0644));
    ASSERT_TRUE(folder->Publish("a"));
  }
  EXPECT_THAT(Names(path), ElementsAre("a", "b"));
  EXPECT_EQ(Mode(path), 0700u);
  struct stat after {};
  ASSERT_EQ(stat(path.c_str(), &after), 0);
  EXPECT_EQ(after.st_ino, before.st_ino) << "somebody may be standing in it";
}

TEST(StagedFolder, AbandonedLeavesNothing) {
  const TempDir dir;
  std::filesystem::create_directory(dir.Path("empty"));
  for (const char* name : {"new", "empty"}) {
    auto folder = StagedFolder::Create(dir.Path(name));
    ASSERT_TRUE(folder);
    ASSERT_TRUE(folder->Write("a", "1", 0600));
  }
  EXPECT_THAT(Names(dir.path()), ElementsAre("empty"));
  EXPECT_THAT(Names(dir.Path("empty")), IsEmpty());
}

TEST(StagedFolder, TakenPlacesAreRefused) {
  const TempDir dir;
  dir.Write("file", "x");
  for (const std::string& path : {dir.path(), dir.Path("file"), dir.Path("file/below")}) {
    EXPECT_FALSE(StagedFolder::Create(path)) << path;
  }
  EXPECT_THAT(StagedFolder::Create(dir.path()).error().message, HasSubstr("is not empty"));
  EXPECT_THAT(Names(dir.path()), ElementsAre("file"));
}

TEST(StagedFolder, FailedPublishLeavesNothing) {
  const TempDir dir;
  const std::string path = dir.Path("new");
  {
    auto folder = StagedFolder::Create(path);
    ASSERT_TRUE(folder);
    ASSERT_TRUE(folder->Write("a", "1", 0600));
    std::filesystem::create_directory(path);
    dir.Write("new/foreign", "x");  // somebody else was quicker
    EXPECT_FALSE(folder->Publish("a"));
  }
  EXPECT_THAT(Names(dir.path()), ElementsAre("new"));
  EXPECT_THAT(Names(path), ElementsAre("foreign"));
}

}  // namespace
}  // namespace parallax::collector
