// Which items, in what order, which fields.
#include "collector/cli/list_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parallax::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> Sorted(const Json& values, const std::string& sort) {
  Json items = Json::array();
  for (const Json& value : values) {
    items.push_back({{"key", value}});
  }
  ListWish wish;
  wish.sort = sort;
  std::vector<std::string> out;
  for (const size_t i : Select(items, wish)) {
    out.push_back(FieldText(items[i], "key"));
  }
  return out;
}

TEST(ListView, NumbersAddressesAndNamesHaveTheirOwnOrder) {
  EXPECT_THAT(Sorted({10, 9, 100, -1}, "key"), ElementsAre("-1", "9", "10", "100"));
  EXPECT_THAT(Sorted({"192.0.2.10", "192.0.2.9", "2001:db8::1", "10.0.0.1"}, "key"),
              ElementsAre("10.0.0.1", "192.0.2.9", "192.0.2.10", "2001:db8::1"));
  EXPECT_THAT(Sorted({"INC-10", "INC-9", "INC-100", "INC-09b"}, "key"),
              ElementsAre("INC-9", "INC-09b", "INC-10", "INC-100"));
  EXPECT_THAT(Sorted({"mail2", "mail10", "mail", "Mail"}, "-key"),
              ElementsAre("mail10", "mail2", "mail", "Mail"));
}

TEST(ListView, WhatIsMissingComesLastEitherWay) {
  EXPECT_THAT(Sorted({nullptr, "b", "", "a"}, "key"), ElementsAre("a", "b", "", ""));
  EXPECT_THAT(Sorted({nullptr, "b", "", "a"}, "-key"), ElementsAre("b", "a", "", ""));
}

TEST(ListView, WithoutAnOrderItemsStayAsTheyCame) {
  EXPECT_THAT(Sorted({"b", "a", "c"}, ""), ElementsAre("b", "a", "c"));
}

TEST(ListView, EveryConditionHasToBeMet) {
  const Json items = {{{"state", "open"}, {"sensors", {"a", "b"}}, {"at", "2026-01-02T00:00:00Z"}},
                      {{"state", "open"}, {"sensors", {"b"}}, {"at", "2026-01-01T00:00:00Z"}},
                      {{"state", "closed"}, {"sensors", {{"a", "up"}}}, {"at", nullptr}}};
  const auto select = [&](std::vector<Condition> where) {
    ListWish wish;
    wish.where = std::move(where);
    return Select(items, wish);
  };
  using Kind = Condition::Kind;
  EXPECT_THAT(select({{Kind::kIs, "state", {"open", "closed"}}}), ElementsAre(0, 1, 2));
  EXPECT_THAT(select({{Kind::kHas, "sensors", {"a"}}}), ElementsAre(0, 2));
  EXPECT_THAT(select({{Kind::kHas, "sensors", {"a"}}, {Kind::kIs, "state", {"open"}}}),
              ElementsAre(0));
  EXPECT_THAT(select({{Kind::kSince, "at", {"2026-01-01T12:00:00Z"}}}), ElementsAre(0));
  EXPECT_THAT(select({{Kind::kIs, "nothing", {"open"}}}), IsEmpty());
}

TEST(ListView, FieldsMayBeInsideOthersAndHaveDots) {
  const Json item = {{"suspect", {{"from", "a"}}}, {"reach", {{"mail.cs", "up"}, {"web", "down"}}}};
  EXPECT_EQ(FieldText(item, "suspect.from"), "a");
  EXPECT_EQ(FieldText(item, "reach.mail.cs"), "up");
  EXPECT_EQ(FieldText(item, "reach"), "mail.cs=up; web=down");
  EXPECT_EQ(FieldText(item, "reach.nobody"), "");
  EXPECT_EQ(FieldText(item, "suspect.from.more"), "");
}

TEST(ListView, CsvCanBeReadBack) {
  const Json items = {{{"a", "x,y"}, {"b", "say \"no\"\n"}, {"c", 1.5}},
                      {{"a", "=1+1"}, {"b", nullptr}, {"c", {"p", "q"}}}};
  const std::vector<std::string> fields = {"a", "b", "c"};
  EXPECT_EQ(Csv(items, fields, true), "a,b,c\n\"x,y\",\"say \"\"no\"\"\n\",1.5\n'=1+1,,p; q\n");
  EXPECT_EQ(Csv(Json::array(), fields, true), "a,b,c\n");
  EXPECT_EQ(Csv(Json::array(), fields, false), "");
}

TEST(ListView, ATableWithoutItsHeading) {
  const Json items = {{{"a", "x"}, {"b", 1}}};
  const std::vector<std::string> fields = {"a", "b"};
  EXPECT_EQ(FieldTable(items, fields, true, false), "A  B\nx  1\n");
  EXPECT_EQ(FieldTable(items, fields, false, false), "x  1\n");
  EXPECT_EQ(FieldTable(Json::array(), fields, false, false), "");
}

TEST(ListView, EveryKindKnowsItsFieldsAndMisspeltOnesAreNamed) {
  for (const char* kind : {"SensorList", "TargetList", "IncidentList", "TokenList", "SynTop",
                           "SynServerList", "PathList", "PathDiffList", "Matrix"}) {
    const auto fields = FieldsOf(kind);
    EXPECT_GE(fields.size(), 5u) << kind;
    EXPECT_NE(std::ranges::find(fields, NameFieldOf(kind)), fields.end()) << kind;
  }
  ListWish wish;
  wish.columns = {"address", "verdit"};
  const auto refused = CheckWish(wish, "TargetList");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUsage);
  EXPECT_THAT(refused.error().message, HasSubstr("did you mean verdict?"));
  wish = {};
  wish.sort = "-last_seen_at";
  EXPECT_TRUE(CheckWish(wish, "TargetList"));
}

}  // namespace
}  // namespace parallax::cli
