#include "sensor/probe/trace/path.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string_view>

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

IpAddress Ip(std::string_view text) { return *IpAddress::Parse(text); }

// A path of hops with one node each; "*" is silent, "!A" is A saying host unreachable.
Path PathOf(std::initializer_list<std::string_view> hops) {
  Path path;
  path.target = Ip("198.51.100.7");
  for (const std::string_view text : hops) {
    PathHop hop;
    hop.ttl = static_cast<uint8_t>(path.hops.size() + 1);
    hop.sent = 3;
    if (text != "*") {
      PathNode node;
      const bool complaint = text.starts_with('!');
      node.address = Ip(complaint ? text.substr(1) : text);
      node.meaning = complaint ? ErrorMeaning::kUnreachable : ErrorMeaning::kTimeExceeded;
      node.received = hop.answered = 3;
      hop.nodes.push_back(node);
    }
    path.hops.push_back(hop);
  }
  return path;
}

TEST(PathTest, TheIdIsTheSameInEveryRelease) {
  // Computed from the definition by another implementation of SipHash.
  EXPECT_EQ(PathOf({}).Id(), 0xb4aaeab1ea3485b0u);
  EXPECT_EQ(PathOf({"*", "*"}).Id(), 0xb4aaeab1ea3485b0u);
  EXPECT_EQ(PathOf({"10.0.0.1", "*", "10.0.0.3"}).Id(), 0x0f5ea296498d1546u);
  EXPECT_EQ(PathOf({"2001:db8::1", "198.51.100.7"}).Id(), 0x5e9537f97faadbdbu);
}

TEST(PathTest, TheIdNamesTheRouteAndNothingElse) {
  const Path path = PathOf({"10.0.0.1", "10.0.0.2", "10.0.0.3"});
  Path other = path;
  other.target = Ip("198.51.100.8");
  other.end = TraceEnd::kSilent;
  other.hops[1].sent = 7;
  other.hops[1].state = HopState::kRateLimited;
  other.hops[1].nodes[0].rtt.Add(5ms);
  other.hops[1].nodes[0].received = 1;
  EXPECT_EQ(path.Id(), other.Id());
  EXPECT_EQ(path.Id(), PathOf({"10.0.0.1", "10.0.0.2", "10.0.0.3", "*", "*"}).Id());
  EXPECT_EQ(path.Id(), PathOf({"10.0.0.1", "10.0.0.2", "10.0.0.3", "!10.0.0.3"}).Id());
  EXPECT_EQ(path.Id(), PathOf({"10.0.0.1", "10.0.0.2", "!10.0.0.3"}).Id());
  EXPECT_EQ(path.Id(), PathOf({"10.0.0.1", "10.0.0.2", "10.0.0.3", "*", "!10.0.0.3", "*"}).Id());
}

TEST(PathTest, OtherRoutesHaveOtherIds) {
  const Path path = PathOf({"10.0.0.1", "10.0.0.2", "10.0.0.3"});
  for (const Path& other :
       {PathOf({"10.0.0.1", "10.0.0.2"}), PathOf({"10.0.0.1", "10.0.0.3", "10.0.0.2"}),
        PathOf({"10.0.0.1", "*", "10.0.0.3"}), PathOf({"*", "10.0.0.1", "10.0.0.2", "10.0.0.3"}),
        PathOf({"10.0.0.1", "10.0.0.2", "10.0.0.3", "!10.0.0.4"}), PathOf({})}) {
    EXPECT_NE(path.Id(), other.Id());
  }
}

TEST(PathTest, TheOrderOfAHopsNodesIsNoMatter) {
  Path a = PathOf({"10.0.0.1", "10.0.0.2"});
  Path b = PathOf({"10.0.0.1", "10.0.0.3"});
  a.hops[1].nodes.push_back(b.hops[1].nodes[0]);
  b.hops[1].nodes.push_back(PathOf({"10.0.0.2"}).hops[0].nodes[0]);
  EXPECT_EQ(a.Id(), b.Id());
}

TEST(PathTest, EqualRoutesCompareEqual) {
  const Path path = PathOf({"10.0.0.1", "10.0.0.2", "10.0.0.3"});
  for (const Path& other : {path, PathOf({"10.0.0.1", "*", "10.0.0.3"}),
                            PathOf({"10.0.0.1", "10.0.0.2", "10.0.0.3", "*", "*"})}) {
    for (const PathComparison& c : {Compare(path, other), Compare(other, path)}) {
      EXPECT_EQ(c.relation, PathRelation::kEqual);
      EXPECT_FALSE(c.parts_at);
      EXPECT_EQ(c.last_common_ttl, 3);
      EXPECT_TRUE(c.first_after.empty());
    }
  }
}

TEST(PathTest, TellsWherePathsPartAndWhatEachSawAfter) {
  const Path a = PathOf({"10.0.0.1", "10.0.0.2", "10.0.1.3", "10.0.0.5"});
  const Path b = PathOf({"10.0.0.1", "10.0.0.2", "10.0.2.3", "10.0.2.4", "10.0.0.5"});
  const PathComparison c = Compare(a, b);
  EXPECT_EQ(c.relation, PathRelation::kPart);
  EXPECT_EQ(c.last_common_ttl, 2);
  EXPECT_EQ(c.last_common, Ip("10.0.0.2"));
  EXPECT_EQ(c.parts_at, 3);
  ASSERT_EQ(c.first_after.size(), 2u);
  ASSERT_EQ(c.second_after.size(), 3u);
  EXPECT_EQ(c.first_after[0].nodes[0].address, Ip("10.0.1.3"));
  EXPECT_EQ(c.second_after[0].nodes[0].address, Ip("10.0.2.3"));
  EXPECT_EQ(c.rejoin, Ip("10.0.0.5"));
}

TEST(PathTest, SilenceBeforeTheyPartHidesWhere) {
  const PathComparison c =
      Compare(PathOf({"10.0.0.1", "*", "10.0.1.3"}), PathOf({"10.0.0.1", "10.0.0.2", "10.0.2.3"}));
  EXPECT_EQ(c.relation, PathRelation::kPart);
  EXPECT_EQ(c.last_common_ttl, 1);
  EXPECT_EQ(c.parts_at, 3);
  EXPECT_FALSE(c.rejoin);
}

TEST(PathTest, ABlackHoleIsAPathThatEndsEarlier) {
  const Path whole = PathOf({"10.0.0.1", "10.0.0.2", "10.0.0.3", "198.51.100.7"});
  for (const Path& cut : {PathOf({"10.0.0.1", "10.0.0.2", "*", "*", "*"}),
                          PathOf({"10.0.0.1", "10.0.0.2", "!10.0.0.2"})}) {
    const PathComparison c = Compare(cut, whole);
    EXPECT_EQ(c.relation, PathRelation::kFirstEndsEarlier);
    EXPECT_EQ(c.last_common, Ip("10.0.0.2"));
    EXPECT_EQ(c.parts_at, 3);
    EXPECT_EQ(c.first_after.size(), cut.hops.size() - 2);
    EXPECT_EQ(c.second_after.size(), 2u);
    EXPECT_EQ(Compare(whole, cut).relation, PathRelation::kSecondEndsEarlier);
  }
}

TEST(PathTest, APathOfWhichNothingIsKnownEndsBeforeTheFirstHop) {
  const PathComparison c = Compare(PathOf({}), PathOf({"10.0.0.1"}));
  EXPECT_EQ(c.relation, PathRelation::kFirstEndsEarlier);
  EXPECT_EQ(c.parts_at, 1);
  EXPECT_FALSE(c.last_common_ttl);
  EXPECT_EQ(Compare(PathOf({}), PathOf({"*"})).relation, PathRelation::kEqual);
}

TEST(PathTest, HopsOfSeveralNodesMatchIfTheyShareOne) {
  Path many = PathOf({"10.0.0.1", "10.0.0.2", "10.0.0.3"});
  many.hops[1].nodes.push_back(PathOf({"10.0.0.9"}).hops[0].nodes[0]);
  const Path one = PathOf({"10.0.0.1", "10.0.0.9", "10.0.0.3"});
  EXPECT_EQ(Compare(many, one).relation, PathRelation::kEqual);
}

TEST(PathTest, PathsFromDifferentFirstTtlsAreComparable) {
  Path late = PathOf({"10.0.0.1", "10.0.0.2", "10.0.0.3"});
  late.hops.erase(late.hops.begin());
  EXPECT_EQ(Compare(late, PathOf({"10.0.0.1", "10.0.0.2", "10.0.0.3"})).relation,
            PathRelation::kEqual);
}

TEST(RttRangeTest, KeepsExtremesAndTheAverage) {
  RttRange rtt;
  EXPECT_EQ(rtt.average(), 0ms);
  rtt.Add(4ms);
  rtt.Add(1ms);
  rtt.Add(7ms);
  EXPECT_EQ(rtt.min, 1ms);
  EXPECT_EQ(rtt.max, 7ms);
  EXPECT_EQ(rtt.average(), 4ms);
}

}  // namespace
}  // namespace parallax::sensor
