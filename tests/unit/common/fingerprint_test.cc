#include "common/fingerprint.h"

#include <gtest/gtest.h>

namespace parallax {
namespace {

const std::string kDigits = std::string(60, '0') + "12ab";

TEST(Fingerprint, ReadsWhatItWrites) {
  EXPECT_EQ(FormatFingerprint(kDigits), "sha256:" + kDigits);
  EXPECT_EQ(ParseFingerprint("sha256:" + kDigits), kDigits);
  EXPECT_EQ(ParseFingerprint("sha256:" + std::string(60, '0') + "12AB"), kDigits);
}

TEST(Fingerprint, ReadsWhatOtherToolsWrite) {
  std::string text = "sha256:";
  for (size_t i = 0; i < kDigits.size(); i += 2) {
    text += (i > 0 ? ":" : "") + kDigits.substr(i, 2);
  }
  EXPECT_EQ(ParseFingerprint(text), kDigits);
}

TEST(Fingerprint, RefusesTheRest) {
  for (const std::string& text :
       {std::string(), kDigits, "sha256:" + kDigits.substr(1), "sha256:" + kDigits + "0",
        "md5:" + kDigits, "sha256:" + kDigits.substr(1) + "g", "sha256::" + kDigits,
        "sha256:" + kDigits + ":", "sha256:" + std::string(64, ':'), " sha256:" + kDigits}) {
    EXPECT_EQ(ParseFingerprint(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace parallax
