#include "common/token.h"

#include <gtest/gtest.h>

namespace parallax {
namespace {

TEST(Token, EachIsNewAndLooksLikeOne) {
  const std::string a = MakeToken().value();
  const std::string b = MakeToken().value();
  EXPECT_NE(a, b);
  EXPECT_TRUE(IsToken(a));
  EXPECT_EQ(a.size(), 68u);
  EXPECT_EQ(MakeTokenId()->size(), 8u);
}

TEST(Token, OnlyWholeOnes) {
  const std::string good = "plx_" + std::string(64, '0');
  EXPECT_TRUE(IsToken(good));
  for (const std::string& text : {std::string(), good + "0", good.substr(0, 67), good.substr(1),
                                  "plx_" + std::string(63, '0') + "A", good + "\n"}) {
    EXPECT_FALSE(IsToken(text)) << text;
  }
}

TEST(Token, IsStoredAsItsSha256) {
  EXPECT_EQ(TokenSha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace parallax
