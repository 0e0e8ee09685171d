// Whom the registry lets in, and who may speak.
#include "collector/enrol/registry.h"

#include "tests/unit/collector/enrol/registry_world.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;
using testing::Each;
using testing::HasSubstr;
using testing::Not;

class RegistryTest : public RegistryWorld {};

TEST_F(RegistryTest, TokenLetsOneIn) {
  MakeToken("secret");
  const Grant grant = Granted(Ask("mail1", "k1", "secret"));
  EXPECT_EQ(grant.peer, (PeerName{"mail", "mail1"}));
  EXPECT_EQ(grant.issue_at, std::chrono::floor<std::chrono::seconds>(kStart));
  EXPECT_EQ(Refused(Ask("mail2", "k2", "secret")), Refusal::kUsedToken);
  EXPECT_EQ(Refused(Ask("mail2", "k2", "guess")), Refusal::kUnknownToken);
  EXPECT_EQ(registry_.sensors().at("mail1").key_sha256, Digest("k1"));
}

TEST_F(RegistryTest, LostAnswerIsGivenAgainAtNoFurtherUse) {
  MakeToken("secret", {.uses = 2});
  Granted(Ask("mail1", "k1", "secret"));
  Restart();
  Granted(Ask("mail1", "k1", "secret"));
  Granted(Ask("mail1", "k1", "secret"));
  Granted(Ask("mail2", "k2", "secret"));
  Restart();
  Granted(Ask("mail2", "k2", "secret"));
  EXPECT_EQ(Refused(Ask("mail3", "k3", "secret")), Refusal::kUsedToken);
  EXPECT_EQ(Refused(Ask("mail1", "k3", "secret")), Refusal::kUsedToken);
}

TEST_F(RegistryTest, TokenExpires) {
  MakeToken("secret", {.uses = 5, .life = 1h});
  Granted(Ask("mail1", "k1", "secret"));
  now_ += 1h - 1ns;
  Granted(Ask("mail2", "k2", "secret"));
  now_ += 1ns;
  EXPECT_EQ(Refused(Ask("mail3", "k3", "secret")), Refusal::kExpiredToken);
  EXPECT_EQ(Refused(Ask("mail1", "k1", "secret")), Refusal::kExpiredToken);
}

TEST_F(RegistryTest, TokenHoldsInItsNetworkOnly) {
  MakeToken("secret", {.network = *Prefix::Parse("192.0.2.0/24")});
  EXPECT_EQ(Refused(Ask("mail1", "k1", "secret", "198.51.100.1")), Refusal::kWrongNetwork);
  EXPECT_EQ(Refused(Ask("mail1", "k1", "secret", "2001:db8::1")), Refusal::kWrongNetwork);
  Granted(Ask("mail1", "k1", "secret", "192.0.2.9"));
}

TEST_F(RegistryTest, RefusalSpendsNothing) {
  MakeToken("first", {.uses = 5});
  MakeToken("second");
  Granted(Ask("mail1", "k1", "first"));
  EXPECT_EQ(Refused(Ask("mail1", "k2", "second")), Refusal::kNameTaken);
  EXPECT_EQ(Refused(Ask("mail2", "k1", "second")), Refusal::kNameTaken);  // one key, one name
  EXPECT_EQ(registry_.tokens().at("id-second").uses_left, 1u);
  Granted(Ask("mail2", "k2", "second"));
}

TEST_F(RegistryTest, SameHostMayEnrollAgainWithANewToken) {
  MakeToken("first");
  MakeToken("second");
  Granted(Ask("mail1", "k1", "first"));
  Granted(Ask("mail1", "k1", "second"));
  EXPECT_EQ(registry_.tokens().at("id-second").uses_left, 0u);
}

TEST_F(RegistryTest, ReplacingRefusesTheCertificatesOfTheFirstHost) {
  MakeToken("first");
  const Grant first = Granted(Ask("mail1", "k1", "first"));
  EXPECT_TRUE(Speak("mail1", "k1", first.issue_at));
  now_ += 10ms;  // the same second
  MakeToken("second", {.replaces = "mail1"});
  EXPECT_EQ(Refused(Ask("mail2", "k2", "second")), Refusal::kWrongName);
  const Grant second = Granted(Ask("mail1", "k2", "second"));
  EXPECT_THAT(registry_.TakeEnded(),
              testing::ElementsAre(testing::Pair("mail1", HasSubstr("replaced"))));
  EXPECT_FALSE(Speak("mail1", "k1", first.issue_at));
  EXPECT_TRUE(Speak("mail1", "k2", second.issue_at));
  Restart();
  EXPECT_FALSE(Speak("mail1", "k1", first.issue_at));
  EXPECT_TRUE(Speak("mail1", "k2", second.issue_at));
}

TEST_F(RegistryTest, RevokedIsOutUntilANewTokenLetsItIn) {
  MakeToken("first", {.uses = 5});
  const Grant first = Granted(Ask("mail1", "k1", "first"));
  ASSERT_TRUE(registry_.Revoke("mail1", "tester", now_));
  EXPECT_THAT(registry_.TakeEnded(), testing::ElementsAre(testing::Pair("mail1", "revoked")));
  const auto refused = Speak("mail1", "k1", first.issue_at);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kDenied);
  EXPECT_THAT(refused.error().message, HasSubstr("revoked"));
  Restart();
  EXPECT_FALSE(Speak("mail1", "k1", first.issue_at));
  EXPECT_EQ(Refused(Ask("mail1", "k2", "first")), Refusal::kRevoked);  // made before
  EXPECT_EQ(Refused(Ask("mail1", "k1")), Refusal::kRevoked);
  now_ += 1ms;
  MakeToken("second");
  const Grant again = Granted(Ask("mail1", "k2", "second"));
  EXPECT_TRUE(Speak("mail1", "k2", again.issue_at));
  EXPECT_FALSE(Speak("mail1", "k1", first.issue_at));
}

TEST_F(RegistryTest, WaitsForApproval) {
  EXPECT_TRUE(Pending(Ask("web1", "k1")));
  EXPECT_TRUE(Pending(Ask("web1", "k1")));
  EXPECT_EQ(registry_.pending().size(), 1u);
  Restart();
  EXPECT_EQ(registry_.pending().size(), 1u);
  ASSERT_TRUE(registry_.Approve(Digest("k1"), "web", "", "tester", now_));
  EXPECT_TRUE(registry_.pending().empty());
  Restart();
  EXPECT_EQ(Granted(Ask("web1", "k1")).peer, (PeerName{"web", "web1"}));
  EXPECT_TRUE(Pending(Ask("web2", "k2")));
}

TEST_F(RegistryTest, ApprovalIsPickedUpInTimeOrNotAtAll) {
  Ask("web1", "k1");
  ASSERT_TRUE(registry_.Approve(Digest("k1"), "web", "www", "tester", now_));
  EXPECT_EQ(Granted(Ask("web1", "k1")).peer.name, "www");
  now_ += options_.pick_up_within + 1s;
  EXPECT_EQ(Refused(Ask("web1", "k1")), Refusal::kNameTaken);  // its key is that of www
  EXPECT_TRUE(Pending(Ask("www", "k1")));
}

TEST_F(RegistryTest, RequestsAreBounded) {
  for (size_t i = 0; i < options_.most_pending_per_address; ++i) {
    EXPECT_TRUE(
        Pending(Ask("web" + std::to_string(i), "k" + std::to_string(i), "", "2001:db8::1")));
  }
  EXPECT_EQ(Refused(Ask("web", "k", "", "2001:db8::2")), Refusal::kTooMany);  // the same /64
  EXPECT_TRUE(Pending(Ask("web0", "k0", "", "2001:db8::1")));
  for (size_t i = registry_.pending().size(); i < options_.most_pending; ++i) {
    EXPECT_TRUE(Pending(Ask("x" + std::to_string(i), "x" + std::to_string(i), "",
                            "192.0.2." + std::to_string(i % 200))));
  }
  EXPECT_EQ(Refused(Ask("web", "k", "", "198.51.100.1")), Refusal::kTooMany);
  now_ += options_.pending_life;
  registry_.Age(now_);
  EXPECT_TRUE(registry_.pending().empty());
  Restart();
  EXPECT_TRUE(registry_.pending().empty());
}

TEST_F(RegistryTest, FirstConnectionRegistersWhomTheCaVouchesFor) {
  EXPECT_TRUE(Speak("mail1", "k1", now_ - 1h));
  EXPECT_EQ(registry_.sensors().at("mail1").key_sha256, Digest("k1"));
  MakeToken("secret");
  EXPECT_EQ(Refused(Ask("mail1", "k2", "secret")), Refusal::kNameTaken);
  // Made anew by hand: the newer certificate is the one.
  EXPECT_TRUE(Speak("mail1", "k3", now_, "web"));
  EXPECT_EQ(registry_.sensors().at("mail1").key_sha256, Digest("k3"));
  EXPECT_EQ(registry_.sensors().at("mail1").peer.group, "web");
  EXPECT_TRUE(Speak("mail1", "k1", now_ - 1h));  // still valid, but changes nothing
  EXPECT_EQ(registry_.sensors().at("mail1").key_sha256, Digest("k3"));
}

TEST_F(RegistryTest, CertificateMadeAfterTheRevocationLetsItIn) {
  ASSERT_TRUE(Speak("mail1", "k1", now_));
  ASSERT_TRUE(registry_.Revoke("mail1", "tester", now_));
  EXPECT_FALSE(Speak("mail1", "k2", now_));  // the same second: not told apart
  EXPECT_TRUE(Speak("mail1", "k2", now_ + 1s));
  EXPECT_EQ(registry_.sensors().at("mail1").state, TrustState::kApproved);
  EXPECT_FALSE(Speak("mail1", "k1", now_));
}

TEST_F(RegistryTest, RenewalBindsTheNewKey) {
  ASSERT_TRUE(Speak("mail1", "k1", now_ - 240h));
  const ShownCertificate old{{"mail", "mail1"}, Digest("k1"), now_ - 240h, now_ + 480h};
  const auto grant = registry_.Renew(old, Digest("k2"), now_);
  ASSERT_TRUE(grant) << grant.error().message;
  EXPECT_EQ(registry_.sensors().at("mail1").key_sha256, Digest("k2"));
  EXPECT_TRUE(Speak("mail1", "k1", now_ - 240h));  // until the new one is in place
  ASSERT_TRUE(Speak("mail2", "k9", now_));
  EXPECT_FALSE(registry_.Renew(old, Digest("k9"), now_));  // somebody else's key
  ASSERT_TRUE(registry_.Revoke("mail1", "tester", now_));
  EXPECT_FALSE(registry_.Renew(old, Digest("k3"), now_));
}

TEST_F(RegistryTest, LogLinesHoldNoSecret) {
  MakeToken("secret");
  Ask("mail1", "k1", "secret");
  Ask("mail2", "k2", "guess");
  Ask("mail3", "k3");
  const auto notes = registry_.TakeNotes();
  EXPECT_EQ(notes.size(), 4u);
  EXPECT_THAT(notes, Each(Not(HasSubstr(Digest("secret")))));
  EXPECT_THAT(notes, Each(Not(HasSubstr(Digest("guess")))));
  EXPECT_THAT(notes[1], HasSubstr("192.0.2.7"));
}

}  // namespace
}  // namespace parallax::collector
