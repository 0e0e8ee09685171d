#include "sensor/probe/policy_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/unit/without_privilege.h"

namespace parallax::sensor {
namespace {

class PolicyFileTest : public testing::Test {
 protected:
  PolicyFileTest() {
    std::string name = std::filesystem::temp_directory_path() / "policy_test.XXXXXX";
    folder = mkdtemp(name.data());
    path = folder / "policy.toml";
  }
  ~PolicyFileTest() override { std::filesystem::remove_all(folder); }
  void Write(const std::string& text) { std::ofstream(path) << text; }
  ErrorCode CodeOf() {
    const auto policy = LoadPolicy(path);
    EXPECT_FALSE(policy);
    if (!policy) {
      EXPECT_NE(policy.error().message.find(path.string()), std::string::npos)
          << policy.error().message;
      return policy.error().code;
    }
    return ErrorCode::kFailure;
  }

  std::filesystem::path folder;
  std::filesystem::path path;
};

TEST_F(PolicyFileTest, Loads) {
  Write(
      "packets_per_second = 50\nper_target_per_second = 0.5\n"
      "allow = [\"198.51.100.0/24\"]\ndeny = [\"198.51.100.7\"]\n");
  const auto policy = LoadPolicy(path);
  ASSERT_TRUE(policy) << policy.error().message;
  EXPECT_EQ(policy->packets_per_second, 50);
  EXPECT_EQ(policy->per_target_per_second, 0.5);
  EXPECT_EQ(policy->allow.prefixes().size(), 1u);
  EXPECT_EQ(policy->deny.prefixes().size(), 1u);
}

TEST_F(PolicyFileTest, RatesHaveDefaultsAllowHasNot) {
  Write("allow = []\n");
  const auto policy = LoadPolicy(path);
  ASSERT_TRUE(policy);
  EXPECT_EQ(*policy, Policy{});
  Write("packets_per_second = 10\n");
  EXPECT_EQ(CodeOf(), ErrorCode::kBadConfig);
}

TEST_F(PolicyFileTest, Missing) {
  EXPECT_EQ(CodeOf(), ErrorCode::kBadConfig);
  path = folder / "no" / "such" / "folder.toml";
  EXPECT_EQ(CodeOf(), ErrorCode::kBadConfig);
}

TEST_F(PolicyFileTest, Wrong) {
  for (const char* text :
       {"allow = [\"198.51.100.0/24\"", "allow = \"all\"", "allow = []\nalow = []",
        "allow = [\"198.51.100.1/24\"]", "allow = []\npackets_per_second = 0",
        "allow = []\npackets_per_second = -5", "allow = []\npackets_per_second = nan",
        "allow = []\nper_target_per_second = 1e9"}) {
    Write(text);
    EXPECT_EQ(CodeOf(), ErrorCode::kBadConfig) << text;
  }
}

TEST_F(PolicyFileTest, OthersMustNotBeAbleToWriteIt) {
  Write("allow = []\n");
  for (const mode_t mode : {0660u, 0606u, 0666u}) {
    chmod(path.c_str(), mode);
    EXPECT_EQ(CodeOf(), ErrorCode::kPermission);
  }
  chmod(path.c_str(), 0644);
  EXPECT_TRUE(LoadPolicy(path));
}

TEST_F(PolicyFileTest, SomebodyElsesFile) {
  if (geteuid() == 0) {
    Write("allow = []\n");
    ASSERT_EQ(chown(path.c_str(), 12345, 0), 0);
  } else {
    path = "/proc/1/comm";  // only root can give files away; this one is root's, and we are not
    struct stat status = {};
    ASSERT_EQ(stat(path.c_str(), &status), 0);
    ASSERT_NE(status.st_uid, geteuid());
    const auto policy = LoadPolicy(path);  // root's word counts, but this is no policy
    ASSERT_FALSE(policy);
    return;
  }
  EXPECT_EQ(CodeOf(), ErrorCode::kPermission);
}

TEST_F(PolicyFileTest, NoRegularFile) {
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_EQ(CodeOf(), ErrorCode::kBadConfig);  // and does not wait for a writer
  path = folder;
  EXPECT_EQ(CodeOf(), ErrorCode::kBadConfig);
}

TEST_F(PolicyFileTest, Unreadable) {
  Write("allow = []\n");
  chmod(path.c_str(), 0);
  const WithoutPrivilege ordinary;
  EXPECT_EQ(CodeOf(), ErrorCode::kPermission);
}

}  // namespace
}  // namespace parallax::sensor
