#include "collector/cli/table.h"

#include <gtest/gtest.h>

#include "collector/cli/words.h"

namespace parallax::cli {
namespace {

TEST(Table, ColumnsFitTheirContent) {
  Table table({{"ADDRESS"}, {"N", Table::Align::kRight}, {"NOTE"}});
  table.Add({"192.0.2.1", "7", "x"});
  table.Add({"2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff", "1,234", ""});
  EXPECT_EQ(table.Text(false),
            "ADDRESS                                     N  NOTE\n"
            "192.0.2.1                                   7  x\n"
            "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff  1,234\n");
}

TEST(Table, NothingWithoutRows) { EXPECT_EQ(Table({{"A"}, {"B"}}).Text(true), ""); }

TEST(Table, WidthsCountCharactersNotBytesOrColours) {
  Table table({{"A"}, {"B"}});
  table.Add({{"é", Colour::kRed}, "1"});
  table.Add({"xx", "2"});
  EXPECT_EQ(table.Text(false), "A   B\né   1\nxx  2\n");
  EXPECT_EQ(table.Text(true), "\033[2mA\033[0m   \033[2mB\033[0m\n\033[31mé\033[0m   1\nxx  2\n");
}

TEST(Table, ForeignTextCannotDriveTheTerminal) {
  EXPECT_EQ(Printable("a\033[2Jb\nc\td\x7f"), "a?[2Jb?c?d?");
  EXPECT_EQ(Printable("\xc2\x9b"
                      "31m é"),
            "?31m é");
  Table table({{"A"}});
  table.Add({"evil\033[31m\nrow"});
  EXPECT_EQ(table.Text(false), "A\nevil?[31m?row\n");
}

TEST(Words, Numbers) {
  EXPECT_EQ(Count(0), "0");
  EXPECT_EQ(Count(999), "999");
  EXPECT_EQ(Count(1000), "1,000");
  EXPECT_EQ(Count(18446744073709551615u), "18,446,744,073,709,551,615");
  EXPECT_EQ(Bytes(0), "0 B");
  EXPECT_EQ(Bytes(1536), "1.5 KiB");
  EXPECT_EQ(Bytes(3u << 30), "3.0 GiB");
  EXPECT_EQ(Plural(1, "host"), "1 host");
  EXPECT_EQ(Plural(2000, "host"), "2,000 hosts");
  EXPECT_EQ(Clock(0), "-");
  EXPECT_EQ(Clock(1'800'000'000'000'000'000), "2027-01-15 08:00:00Z");
}

TEST(Words, LongTextIsWrapped) {
  const std::string word(30, 'w');
  EXPECT_EQ(Wrap("short", 4), "short");
  EXPECT_EQ(Wrap("", 4), "");
  EXPECT_EQ(Wrap(word + " " + word + " " + word + " " + word, 2),
            word + " " + word + " " + word + "\n  " + word);
  const std::string monster(300, 'm');
  EXPECT_EQ(Wrap("a " + monster + " b", 1), "a\n " + monster + "\n b");
  EXPECT_EQ(Line("label", "text"), "  label        text\n");
  EXPECT_EQ(Line("label", ""), "");
}

TEST(Words, ManyNamesAreCut) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(Brief(Names{}), "-");
  EXPECT_EQ(Brief(Names{"a"}), "a");
  EXPECT_EQ(Brief(Names{"a", "b", "c"}), "a, b, c");
  EXPECT_EQ(Brief(Names{"a", "b", "c", "d", "e"}), "a, b, c +2");
}

}  // namespace
}  // namespace parallax::cli
