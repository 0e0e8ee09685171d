#include "sensor/probe/target_list.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "tests/unit/sensor/probe/test_probes.h"

namespace parallax::sensor {
namespace {

using namespace test;

void ExpectPermutation(uint64_t size, const HashKey& key) {
  const RandomOrder order(size, key);
  std::vector<bool> seen(size);
  for (uint64_t i = 0; i < size; ++i) {
    const uint64_t at = order.At(i);
    ASSERT_LT(at, size);
    ASSERT_FALSE(seen[at]) << size << ": " << at << " comes twice";
    seen[at] = true;
  }
}

TEST(RandomOrder, IsAPermutationOfEverySize) {
  for (uint64_t size = 0; size <= 300; ++size) {
    ASSERT_NO_FATAL_FAILURE(ExpectPermutation(size, {size, 7}));
  }
  for (const uint64_t size :
       {1023u, 1024u, 1025u, 4095u, 4096u, 4097u, 65'535u, 65'536u, 65'537u, 100'000u, 262'145u}) {
    ASSERT_NO_FATAL_FAILURE(ExpectPermutation(size, {1, 2}));
  }
}

TEST(RandomOrder, ReachesAllOfTheLargestSize) {
  const uint64_t size = TargetList::kMost;
  const RandomOrder order(size, {1, 2});
  std::set<uint64_t> seen;
  uint64_t high = 0;
  for (uint64_t i = 0; i < 20'000; ++i) {
    const uint64_t at = order.At(i * 214'748);
    ASSERT_LT(at, size);
    ASSERT_TRUE(seen.insert(at).second);
    high = std::max(high, at);
  }
  EXPECT_GT(high, size - size / 1000);
}

TEST(RandomOrder, KeysMakeDifferentOrdersAndNeighboursLieApart) {
  const RandomOrder a(65'536, {1, 2});
  const RandomOrder b(65'536, {1, 3});
  int same = 0;
  int near = 0;
  for (uint64_t i = 0; i + 1 < 10'000; ++i) {
    same += a.At(i) == b.At(i) ? 1 : 0;
    const auto gap = static_cast<int64_t>(a.At(i)) - static_cast<int64_t>(a.At(i + 1));
    near += std::abs(gap) < 256 ? 1 : 0;
  }
  EXPECT_LT(same, 10);
  EXPECT_LT(near, 200);  // about 78 by chance
}

std::vector<IpAddress> All(const TargetList& list) {
  std::vector<IpAddress> all;
  for (uint64_t i = 0; i < list.size(); ++i) {
    all.push_back(list.At(i));
  }
  return all;
}

TargetList ListOf(const std::vector<const char*>& prefixes) {
  TargetList list;
  for (const char* text : prefixes) {
    EXPECT_TRUE(list.Add(*Prefix::Parse(text)));
  }
  list.Close();
  return list;
}

TEST(TargetList, EveryAddressOfAPrefix) {
  const auto all = All(ListOf({"198.51.100.252/30"}));
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all[0], Ip("198.51.100.252"));
  EXPECT_EQ(all[3], Ip("198.51.100.255"));
}

TEST(TargetList, CarriesIntoHigherBytes) {
  const TargetList v4 = ListOf({"10.255.0.0/16", "11.0.0.0/16"});
  EXPECT_EQ(v4.size(), 131'072u);
  EXPECT_EQ(v4.At(256), Ip("10.255.1.0"));
  EXPECT_EQ(v4.At(65'535), Ip("10.255.255.255"));
  EXPECT_EQ(v4.At(65'536), Ip("11.0.0.0"));
  EXPECT_EQ(v4.At(131'071), Ip("11.0.255.255"));
  const TargetList v6 = ListOf({"2001:db8::/96"});
  EXPECT_EQ(v6.size(), uint64_t{1} << 32);
  EXPECT_EQ(v6.At(0), Ip("2001:db8::"));
  EXPECT_EQ(v6.At(0x12345678), Ip("2001:db8::1234:5678"));
  EXPECT_EQ(v6.At((uint64_t{1} << 32) - 1), Ip("2001:db8::ffff:ffff"));
}

TEST(TargetList, WhatIsThereTwiceIsThereOnce) {
  const auto all = All(ListOf({"198.51.100.8", "198.51.100.0/28", "198.51.100.0/29",
                               "198.51.100.0/28", "198.51.100.15/32", "198.51.100.16",
                               "2001:db8::1", "2001:db8::/127", "2001:db8::1"}));
  EXPECT_EQ(std::set<IpAddress>(all.begin(), all.end()).size(), all.size());
  EXPECT_EQ(all.size(), 16u + 1 + 2);
}

// Against a plain set, of both families and all lengths.
TEST(TargetList, RandomListsHoldExactlyWhatWasAdded) {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    std::mt19937 random(seed);
    TargetList list;
    std::set<IpAddress> expected;
    for (auto n = random() % 20; n > 0; --n) {
      const bool v4 = random() % 2 == 0;
      const auto host_bits = static_cast<unsigned>(random() % 7);
      const auto host = static_cast<uint32_t>(random() % 512);
      const IpAddress base = v4 ? V4(0xc6336400 + host)
                                : IpAddress::V6(std::array<uint8_t, 16>{
                                      0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                      static_cast<uint8_t>(host >> 8), static_cast<uint8_t>(host)});
      const Prefix prefix(base, base.bits() - host_bits);
      ASSERT_TRUE(list.Add(prefix));
      for (uint32_t i = 0; i < 1u << host_bits; ++i) {
        const uint32_t h = (host & ~((1u << host_bits) - 1)) + i;
        expected.insert(v4 ? V4(0xc6336400 + h)
                           : IpAddress::V6(std::array<uint8_t, 16>{
                                 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                 static_cast<uint8_t>(h >> 8), static_cast<uint8_t>(h)}));
      }
    }
    list.Close();
    const auto all = All(list);
    ASSERT_EQ(all.size(), expected.size()) << seed;
    ASSERT_EQ(std::set<IpAddress>(all.begin(), all.end()), expected) << seed;
  }
}

TEST(TargetList, FamiliesDoNotMeet) {
  // The bytes of one are those of the other.
  const auto all = All(ListOf({"32.1.13.184", "2001:db8::"}));
  EXPECT_EQ(all.size(), 2u);
}

TEST(TargetList, HasALimit) {
  TargetList list;
  EXPECT_FALSE(list.Add(*Prefix::Parse("2001:db8::/64")));
  EXPECT_FALSE(list.Add(*Prefix::Parse("::/0")));
  EXPECT_TRUE(list.Add(*Prefix::Parse("0.0.0.0/0")));
  const auto more = list.Add(*Prefix::Parse("2001:db8::1"));
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().code, ErrorCode::kUsage);
  EXPECT_NE(more.error().message.find("2001:db8::1"), std::string::npos);
  list.Close();
  EXPECT_EQ(list.size(), TargetList::kMost);
  EXPECT_EQ(list.At(TargetList::kMost - 1), Ip("255.255.255.255"));
}

TEST(TargetList, EmptyIsEmpty) {
  TargetList list;
  list.Close();
  EXPECT_EQ(list.size(), 0u);
}

}  // namespace
}  // namespace parallax::sensor
