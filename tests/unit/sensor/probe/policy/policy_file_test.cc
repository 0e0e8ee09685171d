#include "sensor/probe/policy/policy_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "common/fd.h"
#include "tests/unit/without_privilege.h"

namespace parallax::sensor {
namespace {

using testing::HasSubstr;

constexpr uid_t kStranger = 12345;

class PolicyFileTest : public testing::Test {
 protected:
  PolicyFileTest() {
    std::string name = std::filesystem::temp_directory_path() / "policy_test.XXXXXX";
    folder = mkdtemp(name.data());
    path = folder / "policy.toml";
  }
  ~PolicyFileTest() override { std::filesystem::remove_all(folder); }
  void Write(const std::string& text) { std::ofstream(path, std::ios::binary) << text; }
  // What LoadPolicy complains of; each message names the file.
  Error ErrorOf() {
    const auto policy = LoadPolicy(path);
    EXPECT_FALSE(policy);
    if (policy) {
      return {};
    }
    EXPECT_THAT(policy.error().message, HasSubstr(path.string()));
    return policy.error();
  }
  ErrorCode CodeOf() { return ErrorOf().code; }
  std::string ComplaintOf(const std::string& text) {
    Write(text);
    const Error error = ErrorOf();
    EXPECT_EQ(error.code, ErrorCode::kBadConfig) << text;
    return error.message;
  }
  Policy PolicyOf(const std::string& text) {
    Write(text);
    const auto policy = LoadPolicy(path);
    EXPECT_TRUE(policy) << policy.error().message;
    return policy.value_or(Policy{});
  }

  std::filesystem::path folder;
  std::filesystem::path path;
};

// --- what it says --------------------------------------------------------------------------------

TEST_F(PolicyFileTest, EveryKey) {
  const Policy policy = PolicyOf(R"(
packets_per_second = 50
per_prefix_per_second = 1e7
per_target_per_second = 0.001
allow = ["198.50.100.0/24", "2a00::/16"]
deny = ["198.50.100.7"]
methods = ["tcp", "trace"]
tcp_ports = [443, "8000-8099", "80", 8100, "79-81"]
udp_ports = []
contact = "noc@example.org, https://example.org/probes?a=~1"
)");
  Policy expected;
  expected.packets_per_second = 50;
  expected.per_prefix_per_second = 10'000'000;
  expected.per_target_per_second = 0.001;
  expected.allow = PrefixSet({*Prefix::Parse("198.50.100.0/24"), *Prefix::Parse("2a00::/16")});
  expected.deny = PrefixSet({*Prefix::Parse("198.50.100.7")});
  expected.icmp = expected.udp = false;
  expected.tcp_ports = {{79, 81}, {443, 443}, {8000, 8100}};
  expected.udp_ports = {};
  expected.contact = "noc@example.org, https://example.org/probes?a=~1";
  EXPECT_EQ(policy, expected);
}

TEST_F(PolicyFileTest, EverythingButAllowHasADefault) {
  EXPECT_EQ(PolicyOf("allow = []\n"), Policy{});
  EXPECT_THAT(ComplaintOf("packets_per_second = 10\n"), HasSubstr(":1:1: allow: missing"));
  EXPECT_THAT(ComplaintOf(""), HasSubstr(":1:1: allow: missing"));
}

TEST_F(PolicyFileTest, NamesOfSpecialRangesStandForTheirPrefixes) {
  const Policy policy = PolicyOf("allow = [\"private-use\", \"::/0\"]\ndeny = [\"6to4\"]");
  EXPECT_EQ(policy.allow, PrefixSet({*Prefix::Parse("10.0.0.0/8"), *Prefix::Parse("172.16.0.0/12"),
                                     *Prefix::Parse("192.168.0.0/16"), *Prefix::Parse("::/0")}));
  EXPECT_EQ(policy.deny, PrefixSet({*Prefix::Parse("2002::/16")}));
  EXPECT_THAT(ComplaintOf("allow = [\"privat-use\"]"),
              HasSubstr(":1:10: allow: \"privat-use\" is no prefix and no special-purpose range "
                        "(did you mean \"private-use\"?)"));
  EXPECT_THAT(ComplaintOf("allow = [\"everything\"]"), HasSubstr("write for example"));
  EXPECT_THAT(ComplaintOf("allow = [\"\"]"), HasSubstr("is no prefix"));
}

TEST_F(PolicyFileTest, PortsAtTheirLimits) {
  const Policy policy =
      PolicyOf("allow = []\ntcp_ports = [1, 65535]\nudp_ports = [\"1-65535\", 7]");
  EXPECT_EQ(policy.tcp_ports, (std::vector<PortSpan>{{1, 1}, {65535, 65535}}));
  EXPECT_EQ(policy.udp_ports, (std::vector<PortSpan>{{1, 65535}}));
  for (const char* port : {"0", "65536", "-1", "99999999999999999999", "\"0-5\"", "\"5-1\"",
                           "\"1-65536\"", "\"-\"", "\"5-\"", "\"-5\"", "\"1-2-3\"", "\"1 - 2\"",
                           "\"http\"", "\"\"", "1.5", "true", "[80]", "\"+80\"", "\"80\\u0000\""}) {
    for (const char* key : {"tcp_ports", "udp_ports"}) {
      ComplaintOf(std::string("allow = []\n") + key + " = [" + port + "]");
    }
  }
  ComplaintOf("allow = []\ntcp_ports = 80");
}

TEST_F(PolicyFileTest, Methods) {
  EXPECT_EQ(PolicyOf("allow = []\nmethods = [\"icmp\", \"tcp\", \"udp\", \"trace\"]"), Policy{});
  const Policy none = PolicyOf("allow = []\nmethods = []");
  EXPECT_FALSE(none.icmp || none.tcp || none.udp || none.trace);
  EXPECT_TRUE(PolicyOf("allow = []\nmethods = [\"icmp\", \"icmp\"]").icmp);
  EXPECT_THAT(ComplaintOf("allow = []\nmethods = [\"trace\"]"), HasSubstr(":2:11: methods: "));
  for (const char* methods : {"[\"ICMP\"]", "[\"ping\"]", "[\"\"]", "\"icmp\"", "[1]", "[[]]"}) {
    ComplaintOf(std::string("allow = []\nmethods = ") + methods);
  }
}

TEST_F(PolicyFileTest, Contact) {
  const std::string longest(64, '~');
  EXPECT_EQ(PolicyOf("allow = []\ncontact = \"" + longest + "\"").contact, longest);
  EXPECT_EQ(PolicyOf("allow = []\ncontact = \"\"").contact, "");
  for (const std::string& contact :
       {longest + "~", std::string("a\\u0000b"), std::string("a\\nb"), std::string("\\u001b[31m"),
        std::string("\\u007f"), std::string("M\xc3\xbcller")}) {
    EXPECT_THAT(ComplaintOf("allow = []\ncontact = \"" + contact + "\""),
                HasSubstr(":2:11: contact: must be printable ASCII"));
  }
  ComplaintOf("allow = []\ncontact = 5");
}

TEST_F(PolicyFileTest, Rates) {
  for (const char* key : {"packets_per_second", "per_prefix_per_second", "per_target_per_second"}) {
    for (const char* rate : {"0", "-5", "0.0001", "10000001", "1e9", "nan", "inf", "-inf", "\"5\"",
                             "true", "[5]", "9223372036854775807"}) {
      EXPECT_THAT(
          ComplaintOf(std::string("allow = []\n") + key + " = " + rate),
          HasSubstr(std::string(":2:") + std::to_string(std::strlen(key) + 4) + ": " + key));
    }
  }
  // More for one target than for all is no error: the lower limit holds.
  PolicyOf("allow = []\npackets_per_second = 1\nper_target_per_second = 1000");
}

TEST_F(PolicyFileTest, EveryErrorIsToldAtOnceAndNothingDrivesATerminal) {
  const std::string message = ComplaintOf(
      "allow = [\"198.50.100.1/24\", 5, \"\\u001b[2J\"]\n"
      "alow = []\n"
      "deny = \"all\"\n"
      "methods = [\"smtp\"]\n"
      "[section]\n"
      "a = 1\n");
  for (const char* part : {":1:10: allow: ", ":1:29: allow: ", ":1:32: allow: ",
                           ":2:1: unknown key alow (did you mean allow?)", ":3:8: deny: ",
                           ":4:12: methods: ", ":5:2: unknown section [section]", "\n7 errors"}) {
    EXPECT_THAT(message, HasSubstr(part));
  }
  EXPECT_EQ(message.find('\x1b'), std::string::npos);
}

TEST_F(PolicyFileTest, NoToml) {
  using std::string_literals::operator""s;
  const std::string texts[] = {"allow = [\"198.50.100.0/24\"",
                               "allow",
                               "allow = []\nallow = []",
                               "allow = []\n\0"s,
                               "\0"s,
                               "allow = [\"\0\"]"s,
                               "allow = [\"\xff\xfe\"]",
                               "# \xc3\x28\nallow = []",
                               "\xff\xfe"
                               "a\0l\0"s,
                               std::string(4096, '['),
                               "allow = " + std::string(100'000, '['),
                               std::string(100'000, '.')};
  for (const std::string& text : texts) {
    ComplaintOf(text);
  }
}

TEST_F(PolicyFileTest, Large) {
  std::string text = "allow = []\ndeny = [\n";
  for (int i = 0; i < 20'000; ++i) {
    text += "\"198." + std::to_string(i / 256) + "." + std::to_string(i % 256) + ".0/24\",\n";
  }
  EXPECT_EQ(PolicyOf(text + "]\n").deny.prefixes().size(), 20'000u);
  EXPECT_THAT(ComplaintOf("allow = []\n" + std::string(1 << 20, '#')), HasSubstr("1 MiB"));
}

// A hole as large as a disk, which must not be read.
TEST_F(PolicyFileTest, Sparse) {
  Write("allow = []\n");
  std::filesystem::resize_file(path, uintmax_t{1} << 40);
  EXPECT_EQ(CodeOf(), ErrorCode::kBadConfig);
}

// --- whether it is there and whose it is ---------------------------------------------------------

TEST_F(PolicyFileTest, Missing) {
  EXPECT_EQ(CodeOf(), ErrorCode::kNoConfig);
  path = folder / "no" / "such" / "folder.toml";
  EXPECT_EQ(CodeOf(), ErrorCode::kNoConfig);
  path = folder / "policy.toml";
  Write("allow = []\n");
  path = path / "below-a-file.toml";
  EXPECT_EQ(CodeOf(), ErrorCode::kNoConfig);
  path = "";
  EXPECT_EQ(CodeOf(), ErrorCode::kNoConfig);
  path = folder / std::string(5000, 'x');
  EXPECT_EQ(CodeOf(), ErrorCode::kNoConfig);
}

TEST_F(PolicyFileTest, NoRegularFile) {
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_EQ(CodeOf(), ErrorCode::kNoConfig);  // and does not wait for a writer
  ASSERT_EQ(unlink(path.c_str()), 0);

  const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(path.string().size(), sizeof address.sun_path);
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  ASSERT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(chmod(path.c_str(), 0600), 0);
  EXPECT_EQ(CodeOf(), ErrorCode::kNoConfig);

  path = folder;
  EXPECT_EQ(CodeOf(), ErrorCode::kNoConfig);
  path = "/dev/null";
  EXPECT_EQ(CodeOf(), ErrorCode::kNoConfig);
  path = "/dev/zero";
  EXPECT_EQ(CodeOf(), ErrorCode::kNoConfig);
}

TEST_F(PolicyFileTest, OthersMustNotBeAbleToWriteIt) {
  Write("allow = []\n");
  for (const mode_t mode : {0660u, 0606u, 0666u, 0620u, 0602u}) {
    chmod(path.c_str(), mode);
    EXPECT_EQ(CodeOf(), ErrorCode::kPermission);
  }
  for (const mode_t mode : {0600u, 0644u, 0400u, 0444u}) {
    chmod(path.c_str(), mode);
    EXPECT_TRUE(LoadPolicy(path));
  }
}

// Who may write the folder can put an older file of the owner's in its place.
TEST_F(PolicyFileTest, OthersMustNotBeAbleToReplaceIt) {
  Write("allow = []\n");
  for (const mode_t mode : {0777u, 0770u, 0707u, 0720u}) {
    chmod(folder.c_str(), mode);
    EXPECT_THAT(ErrorOf().message, HasSubstr("others may replace it"));
    EXPECT_EQ(CodeOf(), ErrorCode::kPermission);
  }
  for (const mode_t mode : {0700u, 0755u, 01777u}) {
    chmod(folder.c_str(), mode);
    EXPECT_TRUE(LoadPolicy(path));
  }
}

TEST_F(PolicyFileTest, SymbolicLinks) {
  Write("allow = []\n");
  const auto file = path;
  path = folder / "link.toml";
  std::filesystem::create_symlink("policy.toml", path);
  EXPECT_TRUE(LoadPolicy(path));

  // The folder that the link leads to counts as well as that of the link.
  const auto open = folder / "open";
  ASSERT_EQ(mkdir(open.c_str(), 0700), 0);
  std::filesystem::rename(file, open / "policy.toml");
  std::filesystem::remove(path);
  std::filesystem::create_symlink(open / "policy.toml", path);
  EXPECT_TRUE(LoadPolicy(path));
  chmod(open.c_str(), 0777);
  EXPECT_EQ(CodeOf(), ErrorCode::kPermission);

  path = folder / "dangling.toml";
  std::filesystem::create_symlink("nowhere", path);
  EXPECT_EQ(CodeOf(), ErrorCode::kNoConfig);
  path = folder / "loop.toml";
  std::filesystem::create_symlink("loop.toml", path);
  EXPECT_EQ(CodeOf(), ErrorCode::kNoConfig);
}

TEST_F(PolicyFileTest, SomebodyElsesFile) {
  if (geteuid() != 0) {
    path = "/proc/1/comm";  // only root can give files away; this one is root's, and we are not
    struct stat status = {};
    ASSERT_EQ(stat(path.c_str(), &status), 0);
    ASSERT_NE(status.st_uid, geteuid());
    ASSERT_FALSE(LoadPolicy(path));  // root's word counts, but this is no policy
    return;
  }
  Write("allow = []\n");
  ASSERT_EQ(chown(path.c_str(), kStranger, 0), 0);
  EXPECT_EQ(CodeOf(), ErrorCode::kPermission);

  ASSERT_EQ(chown(path.c_str(), 0, 0), 0);
  ASSERT_TRUE(LoadPolicy(path));
  const auto link = folder / "link.toml";
  std::filesystem::create_symlink("policy.toml", link);
  ASSERT_EQ(lchown(link.c_str(), kStranger, 0), 0);
  path = link;
  EXPECT_THAT(ErrorOf().message, HasSubstr("a symbolic link of user 12345"));

  path = folder / "policy.toml";
  ASSERT_EQ(chown(folder.c_str(), kStranger, 0), 0);
  EXPECT_THAT(ErrorOf().message, HasSubstr("others may replace it"));
}

// An ordinary user's own file counts for what that user runs, and so does root's.
TEST_F(PolicyFileTest, AnOrdinaryUsersOwnFile) {
  Write("allow = []\n");
  if (geteuid() != 0) {
    EXPECT_TRUE(LoadPolicy(path));
    return;
  }
  chmod(folder.c_str(), 0755);
  chmod(path.c_str(), 0644);
  {
    const WithoutPrivilege ordinary;
    EXPECT_TRUE(LoadPolicy(path));
  }
  ASSERT_EQ(chown(path.c_str(), 65534, 0), 0);
  {
    const WithoutPrivilege ordinary;
    EXPECT_TRUE(LoadPolicy(path));
  }
  EXPECT_EQ(CodeOf(), ErrorCode::kPermission);  // not for root
}

TEST_F(PolicyFileTest, Unreadable) {
  Write("allow = []\n");
  chmod(folder.c_str(), 0755);
  chmod(path.c_str(), 0);
  const WithoutPrivilege ordinary;
  EXPECT_EQ(CodeOf(), ErrorCode::kPermission);
}

TEST_F(PolicyFileTest, UnreadableFolder) {
  Write("allow = []\n");
  chmod(folder.c_str(), 0);
  {
    const WithoutPrivilege ordinary;
    EXPECT_EQ(CodeOf(), ErrorCode::kPermission);
  }
  chmod(folder.c_str(), 0700);
}

}  // namespace
}  // namespace parallax::sensor
