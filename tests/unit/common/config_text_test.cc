#include "common/config_text.h"

#include <gtest/gtest.h>

namespace parallax {
namespace {

TEST(EditDistance, CountsEdits) {
  EXPECT_EQ(EditDistance("", ""), 0u);
  EXPECT_EQ(EditDistance("", "abc"), 3u);
  EXPECT_EQ(EditDistance("abc", ""), 3u);
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3u);
  EXPECT_EQ(EditDistance("listen", "lisetn"), 1u) << "neighbours swapped";
  EXPECT_EQ(EditDistance("listen", "listen"), 0u);
  EXPECT_GT(EditDistance(std::string(100000, 'a'), "a"), 64u) << "and it must not take long";
}

TEST(NearestName, FindsWhatWasMeant) {
  const NameSet known{"detect.lost_after", "detect.open_after", "server.listen", "store.path"};
  EXPECT_EQ(NearestName("detect.opne_after", known), "detect.open_after");
  EXPECT_EQ(NearestName("server.lisen", known), "server.listen");
  EXPECT_EQ(NearestName("listen", known), "server.listen") << "section forgotten";
  EXPECT_EQ(NearestName("store.listen", known), "server.listen") << "wrong section";
  EXPECT_EQ(NearestName("server.colour", known), std::nullopt);
  EXPECT_EQ(NearestName("", {}), std::nullopt);
}

TEST(Printable, KeepsTextAndDropsControls) {
  EXPECT_EQ(Printable("caf\xc3\xa9"), "caf\xc3\xa9");
  EXPECT_EQ(Printable("\x1b[31mred\n\x7f"), "?[31mred??");
}

TEST(FindTooDeepLine, PassesWhatPeopleWrite) {
  EXPECT_EQ(FindTooDeepLine(""), std::nullopt);
  EXPECT_EQ(FindTooDeepLine("a.b.c = 1.5\n[x.y]\nz = [1.0, 2.0, 3.0]\n"), std::nullopt);
  std::string many = "deny = [\n";
  for (int i = 0; i < 100; ++i) {
    many += "  \"192.0.2.0/24\", '198.51.100.0/24', # a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s\n";
  }
  EXPECT_EQ(FindTooDeepLine(many + "]\n"), std::nullopt);
  EXPECT_EQ(FindTooDeepLine("a = \"\"\"\n...............................\n\"\"\"\n"), std::nullopt);
  EXPECT_EQ(FindTooDeepLine("a = \"\\\"...............................\"\n"), std::nullopt);
}

TEST(FindTooDeepLine, FindsTheLine) {
  std::string deep = "a";
  for (int i = 0; i < 20; ++i) {
    deep += ".a";
  }
  EXPECT_EQ(FindTooDeepLine(deep + " = 1\n"), 1u);
  EXPECT_EQ(FindTooDeepLine("x = 1\n\n[" + deep + "]\n"), 3u);
  EXPECT_EQ(FindTooDeepLine("x = {" + deep + " = 1}\n"), 1u);
  EXPECT_EQ(FindTooDeepLine("x = 'open\n" + deep + " = 1\n"), 2u) << "after a string left open";
}

}  // namespace
}  // namespace parallax
