// The old identity or the new one, wherever it was cut off.
#include "common/identity_files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>

#include "tests/unit/temp_dir.h"

namespace parallax {
namespace {

const TlsIdentity kOld{"old ca\n", "old certificate\n", "old key\n"};
const TlsIdentity kNew{"new ca\nnew ca 2\n", "new certificate\n", "new key\n"};

class IdentityFilesTest : public testing::Test {
 protected:
  void Put(const TlsIdentity& identity) {
    dir_.Write("ca.pem", identity.ca_pem);
    dir_.Write("sensor.pem", identity.certificate_pem);
    dir_.Write("sensor.key", identity.key_pem);
  }
  void ExpectThere(const TlsIdentity& identity) {
    EXPECT_EQ(ReadAll(paths_.ca_file), identity.ca_pem);
    EXPECT_EQ(ReadAll(paths_.certificate_file), identity.certificate_pem);
    EXPECT_EQ(ReadAll(paths_.key_file), identity.key_pem);
    EXPECT_FALSE(std::filesystem::exists(JournalOf(paths_)));
  }
  // The journal as InstallIdentity leaves it if nothing that follows happens.
  std::string Journal() {
    const TempDir other;
    const IdentityPaths blocked{other.Path("no/ca.pem"), other.Path("sensor.pem"),
                                other.Path("sensor.key")};
    EXPECT_FALSE(InstallIdentity(blocked, kNew));
    return ReadAll(JournalOf(blocked));
  }

  TempDir dir_;
  const IdentityPaths paths_{dir_.Path("ca.pem"), dir_.Path("sensor.pem"), dir_.Path("sensor.key")};
};

TEST_F(IdentityFilesTest, FirstOneAndTheNext) {
  ASSERT_TRUE(InstallIdentity(paths_, kOld));
  ExpectThere(kOld);
  ASSERT_TRUE(InstallIdentity(paths_, kNew));
  ExpectThere(kNew);
  struct stat status {};
  ASSERT_EQ(stat(paths_.key_file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
}

TEST_F(IdentityFilesTest, NothingToFinish) {
  Put(kOld);
  EXPECT_TRUE(FinishInstall(paths_));
  ExpectThere(kOld);
}

TEST_F(IdentityFilesTest, CutOffAnywhereTheNewOneIsFinished) {
  const std::string journal = Journal();
  // How many of the three files were new already.
  for (size_t done = 0; done <= 3; ++done) {
    Put(kOld);
    const std::array<std::pair<const char*, const std::string*>, 3> parts = {
        {{"ca.pem", &kNew.ca_pem},
         {"sensor.pem", &kNew.certificate_pem},
         {"sensor.key", &kNew.key_pem}}};
    for (size_t i = 0; i < done; ++i) {
      dir_.Write(parts[i].first, *parts[i].second);
    }
    dir_.Write("sensor.key.next", journal);
    ASSERT_TRUE(FinishInstall(paths_)) << done;
    ExpectThere(kNew);
  }
}

TEST_F(IdentityFilesTest, WhatIsNoJournalIsNamedAndHarmsNothing) {
  Put(kOld);
  dir_.Write("sensor.key.next", "hello");
  const auto refused = FinishInstall(paths_);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("sensor.key.next"), std::string::npos);
  EXPECT_EQ(ReadAll(paths_.key_file), kOld.key_pem);
}

}  // namespace
}  // namespace parallax
