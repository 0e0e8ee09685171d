// Requests in, answers out, with a real CA and no network.
#include "collector/enrol/enrol_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "collector/operate/authority.h"
#include "common/key_request.h"
#include "common/tls.h"
#include "common/token.h"

namespace parallax::collector {
namespace {

using testing::HasSubstr;

const Moment kNow{{}, *ParseRfc3339("2026-11-23T13:30:18Z")};

class EnrolServiceTest : public testing::Test {
 protected:
  EnrolServiceTest() {
    desk_.Do(
        [&](Registry& registry) {
          EXPECT_TRUE(registry.CreateToken({.group = "mail", .uses = 3}, "id", TokenSha256(token_),
                                           kNow.wall));
        },
        [] {});
    CommitAll();
  }
  EnrolServiceOptions Options() {
    EnrolServiceOptions options;
    options.sign = [this](const std::string& pem, const PeerName& peer, WallTime now) {
      return may_sign_ ? SignSensor(ca_, pem, peer, now)
                       : Result<std::string>(Fail(ErrorCode::kFailure, "no key"));
    };
    options.ca_bundle = [this]() -> Result<std::string> { return ca_.certificate_pem; };
    options.collectors = {"noc.example:7443"};
    options.clock = [] { return kNow; };
    return options;
  }
  void CommitAll() {
    for (const StoreOp& op : store_.PopBatch(100, {})) {
      desk_.Committed(std::get<TrustChange>(op).ticket);
    }
  }
  // nullopt: no answer yet.
  std::optional<HttpAnswer> Send(const std::string& method, const std::string& target,
                                 const std::string& body, bool commit = true) {
    auto answer = std::make_shared<std::optional<HttpAnswer>>();
    service_.Handle({*IpAddress::Parse("192.0.2.7"), method, target, body},
                    [answer](const std::function<HttpAnswer()>& make) { *answer = make(); });
    if (commit) {
      CommitAll();
    }
    return *answer;
  }
  std::optional<HttpAnswer> Enroll(const std::string& name, const std::string& token,
                                   bool commit = true) {
    return Send("POST", "/v1/enroll", FormatRequest({key_.request_pem, name, token}), commit);
  }

  const KeyPair ca_ = MakeAuthority(kNow.wall).value();
  const KeyAndRequest key_ = MakeKeyAndRequest().value();
  const std::string token_ = MakeToken().value();
  bool may_sign_ = true;
  BoundedQueue<StoreOp> store_{100};
  TrustDesk desk_{Registry({}, {}), store_};
  EnrolService service_{Options(), desk_};
};

TEST_F(EnrolServiceTest, GivesACertificateOverTheAskersKey) {
  const auto answer = Enroll("mail1", token_);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200u);
  const auto parsed = ParseAnswer(answer->status, answer->body);
  ASSERT_TRUE(parsed) << parsed.error().message;
  const auto& enrolled = std::get<Enrolled>(*parsed);
  EXPECT_EQ(enrolled.peer, (PeerName{"mail", "mail1"}));
  EXPECT_EQ(enrolled.collectors, std::vector<std::string>{"noc.example:7443"});
  EXPECT_TRUE(CheckTlsIdentity({enrolled.ca_pem, enrolled.certificate_pem, key_.key_pem}, "ca",
                               "certificate", "key", kNow.wall));
}

TEST_F(EnrolServiceTest, SaysNothingBeforeTheUseOfTheTokenIsOnDisk) {
  EXPECT_FALSE(Enroll("mail1", token_, false));
  EXPECT_FALSE(Enroll("mail1", token_, false));  // the same again must not slip through
  CommitAll();
  EXPECT_TRUE(Enroll("mail1", token_));
}

TEST_F(EnrolServiceTest, ClearStatusForWhatIsWrong) {
  const std::string csr = key_.request_pem;
  EXPECT_EQ(Send("GET", "/v1/enroll", "")->status, 405u);
  EXPECT_EQ(Send("POST", "/v1/ca", "")->status, 405u);
  EXPECT_EQ(Send("GET", "/", "")->status, 404u);
  EXPECT_EQ(Send("POST", "/v1/enroll", "{")->status, 400u);
  EXPECT_EQ(Send("POST", "/v1/enroll", FormatRequest({"nonsense", "mail1", token_}))->status, 400u);
  EXPECT_EQ(Send("POST", "/v1/enroll", FormatRequest({csr, "../mail1", token_}))->status, 400u);
  EXPECT_EQ(Enroll("mail1", MakeToken().value())->status, 403u);
}

TEST_F(EnrolServiceTest, WhoGuessesHasToWait) {
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(Enroll("mail1", MakeToken().value())->status, 403u);
  }
  EXPECT_EQ(Enroll("mail1", MakeToken().value())->status, 429u);
  EXPECT_EQ(Enroll("mail1", token_)->status, 429u);
  EXPECT_EQ(Send("GET", "/v1/ca", "")->status, 200u);
}

TEST_F(EnrolServiceTest, WaitingIsNoFailure) {
  for (int i = 0; i < 30; ++i) {
    const auto answer = Enroll("mail1", "");
    ASSERT_EQ(answer->status, 202u);
    EXPECT_THAT(answer->body, HasSubstr(ReadRequest(key_.request_pem)->key_sha256));
  }
}

TEST_F(EnrolServiceTest, SaysThatItCannotSignAndDoesLater) {
  may_sign_ = false;
  EXPECT_EQ(Enroll("mail1", token_)->status, 503u);
  may_sign_ = true;
  EXPECT_EQ(Enroll("mail1", token_)->status, 200u);
}

}  // namespace
}  // namespace parallax::collector
