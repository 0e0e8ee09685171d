#include "collector/operate/operator_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "collector/operate/authority.h"
#include "collector/operate/authority_files.h"
#include "collector/operate/init.h"
#include "common/fd.h"
#include "tests/unit/temp_dir.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

const WallTime kNow = *ParseRfc3339("2026-11-23T13:30:18Z");

class OperatorFiles : public testing::Test {
 protected:
  OperatorFiles() {
    const auto made = InitCollector(
        {dir_.Path("c"), "noc.example", ""}, [](const std::string&) -> Result<void> { return {}; },
        kNow);
    EXPECT_TRUE(made) << made.error().message;
    config_ = *LoadCollectorConfig(Config());
  }
  std::string Config() const { return dir_.Path("c/collector.toml"); }
  Result<std::string> Add(const std::string& name, OperatorRole role, const std::string& out) {
    return AddOperator({name, role, Config(), dir_.Path(out)}, kNow);
  }
  std::string Certificate(const std::string& out) const {
    return ReadSmallFile(dir_.Path(out + "/operator.pem")).value_or("");
  }
  std::string Refusal(const std::string& pem, WallTime now = kNow) const {
    const auto who = IdentifyOperator(config_.tls, pem, now);
    EXPECT_FALSE(who);
    return who ? "" : who.error().message;
  }

  TempDir dir_;
  CollectorConfig config_;
};

TEST_F(OperatorFiles, WhoIsAddedIsKnownUntilRemoved) {
  ASSERT_TRUE(Add("alice", OperatorRole::kRead, "alice"));
  ASSERT_TRUE(Add("bob", OperatorRole::kWrite, "bob"));
  EXPECT_EQ(*IdentifyOperator(config_.tls, Certificate("alice"), kNow),
            (OperatorName{OperatorRole::kRead, "alice"}));
  EXPECT_EQ(*IdentifyOperator(config_.tls, Certificate("bob"), kNow),
            (OperatorName{OperatorRole::kWrite, "bob"}));
  EXPECT_EQ(ListOperators(config_.tls).size(), 2u);
  ASSERT_TRUE(RemoveOperator("alice", Config()));
  EXPECT_THAT(Refusal(Certificate("alice")), HasSubstr("removed"));
  EXPECT_EQ(RemoveOperator("alice", Config()).error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(IdentifyOperator(config_.tls, Certificate("bob"), kNow));
}

TEST_F(OperatorFiles, TheLatestCertificateAloneCounts) {
  ASSERT_TRUE(Add("alice", OperatorRole::kWrite, "first"));
  ASSERT_TRUE(Add("alice", OperatorRole::kRead, "second"));
  EXPECT_THAT(Refusal(Certificate("first")), HasSubstr("another certificate"));
  EXPECT_EQ(IdentifyOperator(config_.tls, Certificate("second"), kNow)->role, OperatorRole::kRead);
}

TEST_F(OperatorFiles, StrangersAndTheExpiredAreRefused) {
  ASSERT_TRUE(Add("alice", OperatorRole::kRead, "alice"));
  EXPECT_THAT(Refusal(Certificate("alice"), kNow + kOperatorLife + 1h), HasSubstr("valid from"));
  EXPECT_THAT(Refusal(""), HasSubstr("not that of an operator"));
  EXPECT_THAT(Refusal("garbage"), HasSubstr("not that of an operator"));
  const auto sensor = IssueSensor(*ReadAuthority(config_), {"mail", "alice"}, kNow);
  EXPECT_THAT(Refusal(sensor->certificate_pem), HasSubstr("not that of an operator"));
  const auto forged = IssueOperator(*MakeAuthority(kNow), {OperatorRole::kWrite, "alice"}, kNow);
  EXPECT_THAT(Refusal(forged->certificate_pem), HasSubstr("another certificate"));
}

TEST_F(OperatorFiles, NamesStayInTheFolder) {
  for (const char* name : {"", "../x", "a/b", ".", "..", "A", "a b", "a\n"}) {
    const auto added = Add(name, OperatorRole::kRead, "out");
    ASSERT_FALSE(added) << name;
    EXPECT_EQ(added.error().code, ErrorCode::kUsage) << name;
    EXPECT_EQ(RemoveOperator(name, Config()).error().code, ErrorCode::kUsage) << name;
  }
  EXPECT_FALSE(std::filesystem::exists(dir_.Path("out")));
}

TEST(OperatorRoles, ReadingIsWhatIsNamedSoAndNothingElse) {
  for (const char* method : {"GetStatus", "ListSensors", "ListTargets", "ListIncidents", "TopSyns",
                             "ListSynServers", "ListPaths", "WatchIncidents", "ListTokens"}) {
    EXPECT_TRUE(OnlyReads("/parallax.v1.Operator/" + std::string(method))) << method;
  }
  for (const char* method :
       {"/parallax.v1.Operator/CreateToken", "/parallax.v1.Operator/RevokeToken",
        "/parallax.v1.Operator/ApproveSensor", "/parallax.v1.Operator/DrainSensor",
        "/parallax.v1.Operator/RevokeSensor", "/parallax.v1.Operator/GetStatusX",
        "/parallax.v1.Operator/", "/parallax.v1.Operator/getstatus", "/other/GetStatus",
        "GetStatus", "", "/parallax.v1.Operator//GetStatus"}) {
    EXPECT_FALSE(OnlyReads(method)) << method;
  }
}

TEST(OperatorUris, OneFormAlone) {
  const OperatorName name{OperatorRole::kWrite, "alice"};
  EXPECT_EQ(OperatorUri(name), "spiffe://parallax/operator/write/alice");
  EXPECT_EQ(ParseOperatorUri(OperatorUri(name)), name);
  for (const char* uri :
       {"", "spiffe://parallax/operator/admin/alice", "spiffe://parallax/operator/write/",
        "spiffe://parallax/operator/write/a/b", "spiffe://parallax/operator//alice",
        "spiffe://parallax/sensor/write/alice", "spiffe://parallax/operator/write/Alice",
        "https://parallax/operator/write/alice", "spiffe://parallax/operator/read"}) {
    EXPECT_FALSE(ParseOperatorUri(uri)) << uri;
  }
  EXPECT_FALSE(ParseSensorUri(OperatorUri(name)));
}

}  // namespace
}  // namespace parallax::collector
