// Words and files of targets, and what is said of those that are none.
#include "sensor/probe_targets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/temp_dir.h"

namespace parallax::sensor {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;

class ProbeTargetsTest : public testing::Test {
 protected:
  Result<Targets> ReadFile(std::string_view content) {
    return ReadTargets({{}, {dir_.Write("targets", content)}, std::nullopt});
  }
  static std::vector<std::string> Sorted(const Targets& targets) {
    std::vector<std::string> result;
    for (uint64_t i = 0; i < targets.list.size(); ++i) {
      result.push_back(targets.list.At(i).ToString());
    }
    std::sort(result.begin(), result.end());
    return result;
  }
  std::string ErrorOf(std::string_view content) {
    const auto targets = ReadFile(content);
    EXPECT_FALSE(targets);
    EXPECT_EQ(targets.error().code, ErrorCode::kUsage);
    return targets.error().message;
  }

  TempDir dir_;
};

TEST_F(ProbeTargetsTest, AddressesPrefixesAndNames) {
  const auto targets =
      ReadTargets({{"198.51.100.0/30", "2001:db8::7", "localhost"}, {}, std::nullopt});
  ASSERT_TRUE(targets);
  EXPECT_EQ(targets->list.size(), 6u);
  EXPECT_TRUE(targets->unresolved.empty());
}

TEST_F(ProbeTargetsTest, FilesAsAnyEditorWritesThem) {
  const auto targets =
      ReadFile("\xef\xbb\xbf# hosts\r\n198.51.100.1\r\n\r\n  198.51.100.2\t# mail\n198.51.100.3");
  ASSERT_TRUE(targets);
  EXPECT_THAT(Sorted(*targets), ElementsAre("198.51.100.1", "198.51.100.2", "198.51.100.3"));
}

TEST_F(ProbeTargetsTest, NamesThatNobodyKnowsLeaveTheRest) {
  const auto targets = ReadFile("198.51.100.1\nnobody.invalid\n198.51.100.2\n");
  ASSERT_TRUE(targets);
  EXPECT_EQ(targets->list.size(), 2u);
  ASSERT_EQ(targets->unresolved.size(), 1u);
  EXPECT_THAT(targets->unresolved[0], HasSubstr(":2: nobody.invalid: cannot be resolved"));
  const auto none = ReadTargets({{"nobody.invalid"}, {}, std::nullopt});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::kNotFound);
}

TEST_F(ProbeTargetsTest, MistakesHaveTheirPlace) {
  EXPECT_THAT(ErrorOf("198.51.100.1\n198.51.100.1/24\n"), HasSubstr("targets:2: "));
  EXPECT_THAT(ErrorOf("198.51.100.999\n"), HasSubstr(":1: "));
  EXPECT_THAT(ErrorOf("\033[31mred\n"), HasSubstr(":1: \"?[31mred\""));
  EXPECT_THAT(ErrorOf(std::string("198.51.100.1\0garbage\n", 21)), HasSubstr(":1: a byte 0"));
  EXPECT_THAT(ErrorOf(std::string("\xff\xfe"
                                  "1\0.\0",
                                  6)),
              HasSubstr(":1: a byte 0"));  // UTF-16
  EXPECT_THAT(ErrorOf(std::string(5000, ' ') + "198.51.100.1\n"), HasSubstr("more than 4096"));
  EXPECT_LT(ErrorOf(std::string(4000, '/')).size(), 300u);
  EXPECT_THAT(ErrorOf("# nothing\n"), HasSubstr("no targets"));
}

TEST_F(ProbeTargetsTest, FilesThatCannotBeRead) {
  for (const std::string& file : {dir_.path() + "/missing", dir_.path()}) {
    const auto targets = ReadTargets({{}, {file}, std::nullopt});
    ASSERT_FALSE(targets);
    EXPECT_THAT(targets.error().message, HasSubstr(file));
  }
}

TEST_F(ProbeTargetsTest, OneFamilyOnly) {
  const auto targets = ReadTargets({{"198.51.100.1", "2001:db8::1"}, {}, Family::kV6});
  ASSERT_FALSE(targets);
  EXPECT_THAT(targets.error().message, EndsWith("not of the family that was asked for"));
}

}  // namespace
}  // namespace parallax::sensor
