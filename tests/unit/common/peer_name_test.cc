#include "common/peer_name.h"

#include <gtest/gtest.h>

namespace parallax {
namespace {

TEST(PeerName, NamesThatHold) {
  for (const char* name : {"a", "0", "physics-1", "a_b.c-d", "9lives"}) {
    EXPECT_TRUE(IsValidName(name)) << name;
  }
  EXPECT_TRUE(IsValidName(std::string(63, 'a')));
}

TEST(PeerName, NamesThatDoNot) {
  for (const char* name :
       {"", "-a", "_a", ".", "..", "A", "a/b", "a b", "a\n", "\xc3\xa9t\xc3\xa9", "a%2fb", "a:b"}) {
    EXPECT_FALSE(IsValidName(name)) << name;
  }
  EXPECT_FALSE(IsValidName(std::string(64, 'a')));
  EXPECT_FALSE(IsValidName(std::string_view("a\0b", 3)));
}

TEST(PeerName, UriRoundTrip) {
  const PeerName peer{"physics", "web-1"};
  EXPECT_EQ(SensorUri(peer), "spiffe://parallax/sensor/physics/web-1");
  EXPECT_EQ(ParseSensorUri(SensorUri(peer)), peer);
}

TEST(PeerName, StrictAboutTheUri) {
  for (const char* uri : {
           "",
           "spiffe://parallax/sensor/",
           "spiffe://parallax/sensor/physics",
           "spiffe://parallax/sensor/physics/",
           "spiffe://parallax/sensor//web",
           "spiffe://parallax/sensor/physics/web/",
           "spiffe://parallax/sensor/physics/web/more",
           "spiffe://parallax/sensor/physics/web?x",
           "spiffe://parallax/sensor/physics/../web",
           "spiffe://parallax/admin/physics/web",
           "spiffe://elsewhere/sensor/physics/web",
           "spiffe://parallax.evil/sensor/physics/web",
           "SPIFFE://parallax/sensor/physics/web",
           "https://parallax/sensor/physics/web",
           " spiffe://parallax/sensor/physics/web",
           "spiffe://parallax/sensor/Physics/web",
       }) {
    EXPECT_EQ(ParseSensorUri(uri), std::nullopt) << uri;
  }
}

}  // namespace
}  // namespace parallax
