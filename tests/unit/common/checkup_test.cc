#include "common/checkup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parallax {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

const std::vector<CheckLine> kMixed = {
    {"key", Finding::kFail, "sensor.key: open", "chmod 600 sensor.key"},
    {"clock", Finding::kWarn, "not compared", "timedatectl status"},
    {"policy file", Finding::kOk, "100 probes/s", ""},
};

TEST(Checkup, TableHasALineForEachAndTheCommandBelow) {
  EXPECT_EQ(CheckupTable(kMixed),
            "FAIL  key          sensor.key: open\n"
            "                   fix: chmod 600 sensor.key\n"
            "WARN  clock        not compared\n"
            "                   fix: timedatectl status\n"
            "OK    policy file  100 probes/s\n"
            "1 ok, 1 to look at, 1 failed\n");
}

TEST(Checkup, OnlyWhatFailedFails) {
  EXPECT_EQ(CheckupExitCode(kMixed), 1);
  EXPECT_EQ(CheckupExitCode({kMixed[1], kMixed[2]}), 0);
  EXPECT_EQ(CheckupExitCode({}), 0);
}

TEST(Checkup, JsonSaysTheWorst) {
  const std::string json = CheckupJson(kMixed);
  EXPECT_THAT(json, HasSubstr(R"("api_version": "parallax/v1")"));
  EXPECT_THAT(json, HasSubstr(R"("result": "FAIL")"));
  EXPECT_THAT(json, HasSubstr(R"({"check": "policy file", "finding": "OK", )"
                              R"("says": "100 probes/s", "fix": null})"));
  EXPECT_THAT(CheckupJson({}), HasSubstr(R"("result": "OK")"));
}

TEST(Checkup, WhatComesFromElsewhereIsMadePrintable) {
  const std::vector<CheckLine> odd = {
      {"x", Finding::kFail, "a\x1b[31mb\nc \"d\" \\ \xff \xc3\xa4\n", ""}};
  EXPECT_THAT(CheckupTable(odd), HasSubstr("a?[31mb; c \"d\""));
  EXPECT_THAT(CheckupTable(odd), Not(HasSubstr("\x1b")));
  EXPECT_THAT(CheckupJson(odd), HasSubstr(R"(a\u001b[31mb\u000ac \"d\" \\ ? )"
                                          "\xc3\xa4"));
}

TEST(Checkup, ShellWordsAreQuotedIfTheyHaveToBe) {
  EXPECT_EQ(ShellWord("/etc/parallax/sensor.key"), "/etc/parallax/sensor.key");
  EXPECT_EQ(ShellWord("my key"), "'my key'");
  EXPECT_EQ(ShellWord("it's; rm"), "'it'\\''s; rm'");
  EXPECT_EQ(ShellWord(""), "''");
}

TEST(Checkup, ANewCertificateIsDueInTheLastThird) {
  const WallTime made(1000h);
  const WallTime ends = made + 720h;
  const auto at = [&](Duration age) {
    return JudgeValidity("certificate", "c.pem", made, ends, made + age, "renew");
  };
  EXPECT_EQ(at(0h).finding, Finding::kOk);
  EXPECT_EQ(at(480h).finding, Finding::kOk);
  EXPECT_EQ(at(481h).finding, Finding::kWarn);
  EXPECT_EQ(at(481h).fix, "renew");
  EXPECT_EQ(at(720h).finding, Finding::kWarn);
  EXPECT_EQ(at(721h).finding, Finding::kFail);
  EXPECT_EQ(at(-1h).finding, Finding::kFail);
  EXPECT_THAT(at(-1h).says, HasSubstr("the clock here says"));
  EXPECT_THAT(at(100h).says, HasSubstr("25 days more"));
}

TEST(Checkup, SizesAreForPeople) {
  EXPECT_EQ(SizeText(12), "12 bytes");
  EXPECT_EQ(SizeText(1536), "1.5 KiB");
  EXPECT_EQ(SizeText(uint64_t{3} << 30), "3.0 GiB");
  EXPECT_EQ(Roughly(30min), "30 minutes");
  EXPECT_EQ(Roughly(1min), "1 minute");
  EXPECT_EQ(Roughly(47h), "47 hours");
}

}  // namespace
}  // namespace parallax
