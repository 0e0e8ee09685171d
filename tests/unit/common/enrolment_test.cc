#include "common/enrolment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parallax {
namespace {

using testing::HasSubstr;

const WallTime kNow = *ParseRfc3339("2026-11-23T13:30:18Z");

TEST(Enrolment, RequestComesThrough) {
  for (const char* token : {"", "plx_1"}) {
    const auto read = ParseRequest(FormatRequest({"pem\n", "mail1", token}));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->request_pem, "pem\n");
    EXPECT_EQ(read->name, "mail1");
    EXPECT_EQ(read->token, token);
  }
}

TEST(Enrolment, AnswersComeThrough) {
  const HttpAnswer yes =
      FormatAnswer(Enrolled{{"mail", "mail1"}, "cert", "ca", {"noc:7443", "[::1]:7443"}}, kNow);
  EXPECT_EQ(yes.status, 200u);
  EXPECT_THAT(yes.body, HasSubstr("\"time\":\"2026-11-23T13:30:18.000000Z\""));
  const auto enrolled = std::get<Enrolled>(ParseAnswer(200, yes.body).value());
  EXPECT_EQ(enrolled.peer, (PeerName{"mail", "mail1"}));
  EXPECT_EQ(enrolled.certificate_pem, "cert");
  EXPECT_EQ(enrolled.ca_pem, "ca");
  EXPECT_EQ(enrolled.collectors, (std::vector<std::string>{"noc:7443", "[::1]:7443"}));

  const HttpAnswer wait =
      FormatAnswer(EnrolPending{std::string(64, 'a'), std::chrono::seconds(2)}, kNow);
  EXPECT_EQ(wait.status, 202u);
  const auto pending = std::get<EnrolPending>(ParseAnswer(202, wait.body).value());
  EXPECT_EQ(pending.key_sha256, std::string(64, 'a'));
  EXPECT_EQ(pending.ask_again, std::chrono::seconds(2));
}

TEST(Enrolment, EveryRefusalComesThrough) {
  for (size_t i = 0; i < kRefusals; ++i) {
    const auto why = static_cast<Refusal>(i);
    const HttpAnswer answer = FormatAnswer(EnrolRefused{why, "for\x1b[31m\na reason"}, kNow);
    EXPECT_GE(answer.status, 400u);
    EXPECT_THAT(answer.body, HasSubstr(std::string(RefusalWord(why))));
    const auto read = ParseAnswer(answer.status, answer.body);
    ASSERT_TRUE(read) << RefusalWord(why);
    EXPECT_EQ(std::get<EnrolRefused>(*read).why, why);
    EXPECT_EQ(std::get<EnrolRefused>(*read).message, "for [31m a reason");
  }
}

TEST(Enrolment, WhatIsNoRequest) {
  for (const char* body :
       {"", "[]", "{", "null", "{}", R"({"request":1,"name":"x"})", R"({"request":"x"})",
        R"({"request":"x","name":"x","token":7})", R"({"request":"x","name":"x","token":null})"}) {
    EXPECT_FALSE(ParseRequest(body)) << body;
  }
  EXPECT_FALSE(ParseRequest(std::string(16'000, '[')));
  EXPECT_TRUE(ParseRequest(R"({"request":"x","name":"y","more":[1,2]})"));
}

TEST(Enrolment, WhatIsNoAnswer) {
  for (const unsigned status : {200u, 202u, 403u, 500u}) {
    for (const char* body :
         {"", "<html>", "[]", "{}", R"({"error":"what"})", R"({"certificate":"x"})",
          R"({"certificate":"x","ca":"x","group":"A b","name":"x","collectors":[]})",
          R"({"certificate":"x","ca":"x","group":"a","name":"x","collectors":[1]})",
          R"({"fingerprint":"sha256:1","ask_again_seconds":1})"}) {
      EXPECT_FALSE(ParseAnswer(status, body)) << status << body;
    }
  }
}

}  // namespace
}  // namespace parallax
