#include "common/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/unit/temp_dir.h"

namespace parallax {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class ConfigFileTest : public testing::Test {
 protected:
  ConfigFile Load(std::string_view toml) {
    auto file = ConfigFile::Load(dir_.Write("test.toml", toml));
    EXPECT_TRUE(file) << file.error().message;
    return std::move(*file);
  }

  std::string LoadError(std::string_view toml) {
    const auto file = ConfigFile::Load(dir_.Write("test.toml", toml));
    EXPECT_FALSE(file);
    EXPECT_EQ(file.error().code, ErrorCode::kBadConfig);
    return file.error().message;
  }

  // The complaints with the folder cut off.
  std::string Complaints(ConfigFile& file) {
    const auto finished = file.Finish();
    if (finished) {
      return "";
    }
    EXPECT_EQ(finished.error().code, ErrorCode::kBadConfig);
    std::string message = finished.error().message;
    for (size_t at; (at = message.find(dir_.path() + "/")) != message.npos;) {
      message.erase(at, dir_.path().size() + 1);
    }
    return message;
  }

  TempDir dir_;
};

TEST_F(ConfigFileTest, AbsentKeysGiveTheFallback) {
  ConfigFile file = Load("");
  EXPECT_EQ(file.String("a.string", "x"), "x");
  EXPECT_EQ(file.Integer("a.integer", 7, 0, 10), 7);
  EXPECT_EQ(file.Number("a.number", 1.5, 0, 10), 1.5);
  EXPECT_TRUE(file.Boolean("a.boolean", true));
  EXPECT_EQ(file.Time("a.time", 3s, 1s, 1h), Duration(3s));
  EXPECT_THAT(file.Strings("a.strings", {"x"}), ElementsAre("x"));
  EXPECT_TRUE(file.Prefixes("a.prefixes").empty());
  EXPECT_EQ(file.HostAndPort("a.listen", "[::]:1").ToString(), "[::]:1");
  EXPECT_EQ(file.Path("a.path", "x.db"), dir_.Path("x.db"));
  EXPECT_EQ(file.Path("a.none", ""), "");
  EXPECT_FALSE(file.Has("a.string"));
  EXPECT_EQ(Complaints(file), "");
}

TEST_F(ConfigFileTest, ReadsEveryType) {
  ConfigFile file = Load(R"(top = "t"
[a]
string = "x"
integer = 7
number = 2.5
whole = 3
boolean = true
time = "250ms"
strings = ["x", "y"]
prefixes = ["192.0.2.0/24", "2001:db8::1"]
listen = "[2001:db8::1]:7443"
hosts = ["noc.example:1", "192.0.2.1:2"]
path = "sub/x.db"
absolute = "/var/x.db"
[a.b]
deep = 1
)");
  EXPECT_EQ(file.String("top", ""), "t");
  EXPECT_EQ(file.String("a.string", ""), "x");
  EXPECT_EQ(file.Integer("a.integer", 0, 7, 7), 7);
  EXPECT_EQ(file.Number("a.number", 0, 0, 10), 2.5);
  EXPECT_EQ(file.Number("a.whole", 0, 0, 10), 3);
  EXPECT_TRUE(file.Boolean("a.boolean", false));
  EXPECT_EQ(file.Time("a.time", 3s, 1ms, 1h), Duration(250ms));
  EXPECT_THAT(file.Strings("a.strings", {}), ElementsAre("x", "y"));
  EXPECT_EQ(file.Prefixes("a.prefixes").prefixes().size(), 2u);
  EXPECT_EQ(file.HostAndPort("a.listen", "[::]:1"), (HostPort{"2001:db8::1", 7443}));
  EXPECT_THAT(file.HostsAndPorts("a.hosts"),
              ElementsAre(HostPort{"noc.example", 1}, HostPort{"192.0.2.1", 2}));
  EXPECT_EQ(file.Path("a.path", ""), dir_.Path("sub/x.db"));
  EXPECT_EQ(file.Path("a.absolute", ""), "/var/x.db");
  EXPECT_EQ(file.Integer("a.b.deep", 0, 0, 9), 1);
  EXPECT_TRUE(file.Has("a.b.deep"));
  EXPECT_EQ(Complaints(file), "");
}

TEST_F(ConfigFileTest, ElementsAreStringsOrIntegers) {
  ConfigFile file = Load("good = [\"a\", 7, -1, '']\nbad = [\n 1.5,\n \"no\", [], 3]\nnone = 4\n");
  std::vector<std::string> seen;
  const auto read = [&](const std::string& text) -> Result<void> {
    seen.push_back(text);
    return text == "no" ? Result<void>(Fail(ErrorCode::kBadConfig, "so it says")) : Result<void>();
  };
  file.Elements("good", "a thing", read);
  EXPECT_THAT(seen, ElementsAre("a", "7", "-1", ""));
  seen.clear();
  file.Elements("absent", "a thing", read);
  EXPECT_THAT(seen, IsEmpty());
  file.Elements("bad", "a thing", read);
  EXPECT_THAT(seen, ElementsAre("no", "3"));
  file.Elements("none", "a thing", read);
  EXPECT_EQ(Complaints(file),
            "test.toml:3:2: bad: must be a thing, not a number with decimals\n"
            "test.toml:4:2: bad: so it says\n"
            "test.toml:4:8: bad: must be a thing, not a list\n"
            "test.toml:5:8: none: must be a list in [ ], each element a thing, not an integer\n"
            "4 errors");
}

TEST_F(ConfigFileTest, ParsesWhatHasBeenReadAlready) {
  auto file = ConfigFile::Parse("a = \"x\"\nb = \"y\"\n", "elsewhere/my.toml");
  ASSERT_TRUE(file);
  EXPECT_EQ(file->String("a", ""), "x");
  EXPECT_EQ(file->Path("b", ""), "elsewhere/y");
  EXPECT_TRUE(file->Finish());
  EXPECT_THAT(ConfigFile::Parse("a = \n", "my.toml").error().message, HasSubstr("my.toml:1:5: "));
}

TEST_F(ConfigFileTest, RelativePathsInTheCurrentFolderStayRelative) {
  const std::string before = std::filesystem::current_path().string();
  dir_.Write("here.toml", "");
  std::filesystem::current_path(dir_.path());
  auto file = ConfigFile::Load("here.toml");
  std::filesystem::current_path(before);
  ASSERT_TRUE(file);
  EXPECT_EQ(file->Path("x", "ca.pem"), "ca.pem");
}

TEST_F(ConfigFileTest, ReportsEverythingAtOnceInFileOrder) {
  ConfigFile file = Load(R"([detect]
open_after = "14dd"
lost_afer = "10s"
[server]
listen = "nowhere"
port = 70000
ratio = nan
on = "yes"
name = 3
dirs = "x"
files = ["x", 3]
path = ""
[targets]
deny = ["192.0.2.1/24", "192.0.2.0/24",
  7]
)");
  file.Time("detect.open_after", 1s, 1s, 1h);
  file.Time("detect.lost_after", 1s, 1s, 1h);
  file.HostAndPort("server.listen", "[::]:1");
  EXPECT_EQ(file.Integer("server.port", 5, 1, 65535), 5);
  EXPECT_EQ(file.Number("server.ratio", 0.5, 0, 1), 0.5);
  EXPECT_FALSE(file.Boolean("server.on", false));
  EXPECT_EQ(file.String("server.name", "n"), "n");
  EXPECT_THAT(file.Strings("server.dirs", {}), IsEmpty());
  EXPECT_THAT(file.Strings("server.files", {}), ElementsAre("x"));
  EXPECT_EQ(file.Path("server.path", "p"), dir_.Path("p"));
  EXPECT_EQ(file.Prefixes("targets.deny").prefixes().size(), 1u);
  EXPECT_EQ(
      Complaints(file),
      R"(test.toml:2:14: detect.open_after: "14dd" is not a duration (write for example "250ms", "10s" or "24h")
test.toml:3:1: unknown key detect.lost_afer (did you mean detect.lost_after?)
test.toml:5:10: server.listen: "nowhere" is not HOST:PORT (write for example "192.0.2.1:7443" or "[2001:db8::1]:7443")
test.toml:6:8: server.port: must be 1 to 65535, not 70000
test.toml:7:9: server.ratio: must be 0 to 1, not nan
test.toml:8:6: server.on: must be true or false, not a string
test.toml:9:8: server.name: must be a string, not an integer
test.toml:10:8: server.dirs: must be a list in [ ], each element a string, not a string
test.toml:11:15: server.files: must be a string, not an integer
test.toml:12:8: server.path: must be a file name
test.toml:14:9: targets.deny: "192.0.2.1/24" has bits set beyond its length (did you mean "192.0.2.0/24"?)
test.toml:15:3: targets.deny: must be a prefix in quotes, for example "192.0.2.0/24", not an integer
12 errors)");
}

TEST_F(ConfigFileTest, TimeBoundsReadLikeDurations) {
  ConfigFile file = Load("t = \"2d\"\n");
  EXPECT_EQ(file.Time("t", 5s, 1s, 1h), Duration(5s));
  EXPECT_EQ(Complaints(file), "test.toml:1:5: t: must be 1s to 1h, not 2d\n1 error");
}

TEST_F(ConfigFileTest, UnknownSectionsAndMisplacedThings) {
  ConfigFile file = Load(R"(listen = "x"
"server.listen" = "x"
server = 3
[sevrer]
listen = "x"
[other]
[[store]]
path = "x"
[log.level]
x = 1
)");
  file.String("server.listen", "");
  file.String("store.path", "");
  file.String("log.level", "");
  EXPECT_EQ(Complaints(file), R"(test.toml:1:1: unknown key listen (did you mean server.listen?)
test.toml:2:1: unknown key "server.listen" (did you mean server.listen?)
test.toml:3:1: server: must be a section, [server], not an integer
test.toml:4:2: unknown section [sevrer] (did you mean [server]?)
test.toml:6:2: unknown section [other]
test.toml:7:3: store: must be a section, [store], not a list
test.toml:9:1: log.level: must be a string, not a table
7 errors)");
}

TEST_F(ConfigFileTest, RepeatedSections) {
  auto file = Load(R"(title = "two"
[[router]]
name = "core"
[[router]]
name = "edge"
[router.clock]
ahead = "2s"
)");
  EXPECT_EQ(file.String("title", ""), "two");
  ASSERT_EQ(file.Sections("router"), 2u);
  EXPECT_EQ(file.String("router.0.name", ""), "core");
  EXPECT_EQ(file.String("router.1.name", ""), "edge");
  EXPECT_EQ(file.Time("router.0.clock.ahead", 0s, 0s, 1h), 0s);
  EXPECT_EQ(file.Time("router.1.clock.ahead", 0s, 0s, 1h), 2s);
  EXPECT_EQ(file.Sections("link"), 0u);
  EXPECT_TRUE(file.Finish());
}

TEST_F(ConfigFileTest, ComplaintsAboutRepeatedSectionsHaveTheirPlace) {
  auto file = Load(R"([[router]]
name = 7
[[router]]
nmae = "edge"
[link]
delay = "1ms"
[[server]]
listen = "x"
)");
  ASSERT_EQ(file.Sections("router"), 2u);
  for (const char* key : {"router.0.name", "router.1.name"}) {
    file.String(key, "");
  }
  EXPECT_EQ(file.Sections("link"), 0u);
  file.String("server.listen", "");
  const std::string message = Complaints(file);
  EXPECT_THAT(message, HasSubstr(":2:8: router.name: must be a string, not an integer"));
  EXPECT_THAT(message, HasSubstr(":4:1: unknown key router.nmae (did you mean router.name?)"));
  EXPECT_THAT(message, HasSubstr(":5:1: link: must be sections, each [[link]]"));
  EXPECT_THAT(message, HasSubstr(":7:3: server: must be a section, [server], not a list"));
  EXPECT_THAT(message, HasSubstr("4 errors"));
}

TEST_F(ConfigFileTest, ListThatMustNotBeEmpty) {
  ConfigFile absent = Load("[collector]\n");
  EXPECT_THAT(absent.HostsAndPorts("collector.addresses"), IsEmpty());
  EXPECT_THAT(Complaints(absent), HasSubstr("test.toml:1:1: collector.addresses: must name"));
  ConfigFile empty = Load("[collector]\naddresses = []\n");
  EXPECT_THAT(empty.HostsAndPorts("collector.addresses"), IsEmpty());
  EXPECT_THAT(Complaints(empty), HasSubstr("test.toml:2:13: collector.addresses: must name"));
  ConfigFile wrong = Load("[collector]\naddresses = \"192.0.2.1:1\"\n");
  EXPECT_THAT(wrong.HostsAndPorts("collector.addresses"), IsEmpty());
  EXPECT_THAT(Complaints(wrong), HasSubstr("must be a list in [ ]"));
}

TEST_F(ConfigFileTest, ComplaintsOfTheCallerHaveAPlace) {
  ConfigFile file = Load("[a]\n  key = 1\n");
  file.Integer("a.key", 0, 0, 9);
  file.Complain("a.key", "is odd");
  file.Complain("a.absent", "is missing");
  file.Complain("absent", "is missing, too");
  EXPECT_EQ(Complaints(file), R"(test.toml:1:1: a.absent: is missing
test.toml:1:1: absent: is missing, too
test.toml:2:9: a.key: is odd
3 errors)");
}

TEST_F(ConfigFileTest, FileCannotDriveTheTerminal) {
  ConfigFile file = Load("a = \"\\u001b[31m\\n\"\n\"\\u001b[2J\" = 1\n");
  file.Time("a", 1s, 1s, 1h);
  const std::string text = Complaints(file);
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(text, HasSubstr("\"?[31m?\" is not a duration"));
}

TEST_F(ConfigFileTest, ListOfComplaintsIsBounded) {
  std::string toml;
  for (int i = 0; i < 5000; ++i) {
    toml += "key" + std::to_string(i) + " = 1\n";
  }
  ConfigFile file = Load(toml);
  const std::string text = Complaints(file);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 101);
  EXPECT_THAT(text, EndsWith("... and 4900 more\n5000 errors"));
}

TEST_F(ConfigFileTest, SyntaxErrorsHaveAPlace) {
  EXPECT_THAT(LoadError("a = 1\nb = \n"), HasSubstr("test.toml:2:5: "));
  EXPECT_THAT(LoadError("a = 1\na = 2\n"), HasSubstr("test.toml:2:"));
  EXPECT_THAT(LoadError("[a\n"), HasSubstr("test.toml:1:"));
  EXPECT_THAT(LoadError("a = \"\xff\xfe\"\n"), HasSubstr("test.toml:1:"));
  EXPECT_THAT(LoadError("a = 99999999999999999999\n"), HasSubstr("test.toml:1:"));
}

TEST_F(ConfigFileTest, UnreadableFilesAreBadConfiguration) {
  for (const std::string& path : {dir_.Path("missing.toml"), dir_.path()}) {
    const auto file = ConfigFile::Load(path);
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error().code, ErrorCode::kBadConfig);
    EXPECT_THAT(file.error().message, HasSubstr(path));
  }
}

// toml++ 3.3 overflows the stack on such a file.
TEST_F(ConfigFileTest, DeepNestingIsRefused) {
  std::string deep = "a";
  for (int i = 0; i < 400000; ++i) {
    deep += ".a";
  }
  EXPECT_THAT(LoadError(deep + " = 1\n"), HasSubstr("test.toml:1:1: nested too deeply"));
  EXPECT_THAT(LoadError("x = 1\n[" + deep + "]\n"), HasSubstr("test.toml:2:1: nested too deeply"));
  LoadError("a = " + std::string(400000, '['));
  std::string tables = "a = ";
  for (int i = 0; i < 100000; ++i) {
    tables += "{a=";
  }
  LoadError(tables);
}

TEST_F(ConfigFileTest, DamagedFilesCrashNothing) {
  const std::string sound =
      "# comment\n[server]\nlisten = \"[::]:7443\"\n[targets]\ndeny = [\"192.0.2.0/24\", '::/0']\n"
      "[detect]\nopen_after = \"10s\"\nratio = 1.5e3\nwhen = 2026-01-01T00:00:00Z\n";
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string damaged = sound;
    for (int i = 0; i < 3; ++i) {
      const size_t at = random() % damaged.size();
      switch (random() % 3) {
        case 0:
          damaged[at] = static_cast<char>(random() % 256);
          break;
        case 1:
          damaged.erase(at, 1 + random() % 5);
          break;
        default:
          damaged.insert(at, damaged.substr(random() % damaged.size(), random() % 20));
      }
    }
    auto file = ConfigFile::Load(dir_.Write("damaged.toml", damaged));
    if (file) {
      file->HostAndPort("server.listen", "[::]:1");
      file->Prefixes("targets.deny");
      file->Time("detect.open_after", 1s, 1s, 1h);
      file->Number("detect.ratio", 1, 0, 10);
      const auto finished = file->Finish();
      EXPECT_TRUE(finished || !finished.error().message.empty());
    } else {
      EXPECT_FALSE(file.error().message.empty());
    }
  }
}

}  // namespace
}  // namespace parallax
