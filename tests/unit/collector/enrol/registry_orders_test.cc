// What operators may order, and when they are told no.
#include "tests/unit/collector/enrol/registry_world.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

class RegistryOrders : public RegistryWorld {};

TEST_F(RegistryOrders, DrainAndReadmit) {
  ASSERT_TRUE(Speak("mail1", "k1", now_));
  EXPECT_THAT(registry_.Drained(), IsEmpty());
  ASSERT_TRUE(registry_.Drain("mail1", "tester"));
  EXPECT_THAT(registry_.Drained(), ElementsAre("mail1"));
  Restart();
  EXPECT_THAT(registry_.Drained(), ElementsAre("mail1"));
  EXPECT_TRUE(Speak("mail1", "k1", now_));  // keeps its link
  ASSERT_TRUE(registry_.Readmit("mail1", "tester"));
  EXPECT_THAT(registry_.Drained(), IsEmpty());
}

TEST_F(RegistryOrders, WhatDoesNotExistIsNotFound) {
  EXPECT_EQ(registry_.Drain("nobody", "tester").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(registry_.Readmit("nobody", "tester").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(registry_.Revoke("nobody", "tester", now_).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(registry_.RevokeToken("nothing", "tester", now_).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(registry_.Approve(Digest("k"), "mail", "", "tester", now_).error().code,
            ErrorCode::kNotFound);
  EXPECT_EQ(registry_.CreateToken({.group = "mail", .replaces = "nobody"}, "id", Digest("x"), now_)
                .error()
                .code,
            ErrorCode::kNotFound);
  EXPECT_THAT(registry_.TakeRows(), IsEmpty());
}

TEST_F(RegistryOrders, RevokedIsNotReadmittedWithAWord) {
  ASSERT_TRUE(Speak("mail1", "k1", now_));
  ASSERT_TRUE(registry_.Revoke("mail1", "tester", now_));
  EXPECT_FALSE(registry_.Readmit("mail1", "tester"));
  EXPECT_FALSE(registry_.Drain("mail1", "tester"));
  registry_.TakeRows();
  EXPECT_TRUE(registry_.Revoke("mail1", "tester", now_ + 1h));  // it is already
  EXPECT_THAT(registry_.TakeRows(), IsEmpty());
}

TEST_F(RegistryOrders, ApprovalDoesNotTakeAName) {
  ASSERT_TRUE(Speak("web1", "k1", now_));
  EXPECT_TRUE(Pending(Ask("web2", "k2")));
  EXPECT_FALSE(registry_.Approve(Digest("k2"), "web", "web1", "tester", now_));
  EXPECT_EQ(registry_.pending().size(), 1u);
  EXPECT_TRUE(registry_.Approve(Digest("k2"), "web", "web3", "tester", now_));
}

TEST_F(RegistryOrders, RevokedTokenLetsNobodyIn) {
  MakeToken("secret");
  ASSERT_TRUE(registry_.RevokeToken("id-secret", "tester", now_));
  EXPECT_EQ(Refused(Ask("mail1", "k1", "secret")), Refusal::kRevokedToken);
  Restart();
  EXPECT_EQ(Refused(Ask("mail1", "k1", "secret")), Refusal::kRevokedToken);
}

TEST_F(RegistryOrders, DeadTokensGoAfterAWhile) {
  MakeToken("secret");
  now_ += 1h;
  registry_.Age(now_);
  EXPECT_EQ(registry_.tokens().size(), 1u);
  now_ += options_.dead_token_life;
  registry_.Age(now_);
  EXPECT_TRUE(registry_.tokens().empty());
  Restart();
  EXPECT_TRUE(registry_.tokens().empty());
}

TEST_F(RegistryOrders, TokensAreBounded) {
  for (size_t i = 0; i < options_.most_tokens; ++i) {
    MakeToken("s" + std::to_string(i));
  }
  EXPECT_FALSE(registry_.CreateToken({.group = "mail"}, "one-more", Digest("x"), now_));
}

}  // namespace
}  // namespace parallax::collector
