// For tests of what the kernel must refuse: while it lives, the process has an ordinary user's
// rights, also when the tests run as root.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

namespace parallax {

class WithoutPrivilege {
 public:
  WithoutPrivilege() {
    if (was_root_) {
      EXPECT_EQ(seteuid(kNobody), 0);
    }
  }
  ~WithoutPrivilege() {
    if (was_root_) {
      EXPECT_EQ(seteuid(0), 0);
    }
  }
  WithoutPrivilege(const WithoutPrivilege&) = delete;
  WithoutPrivilege& operator=(const WithoutPrivilege&) = delete;

 private:
  static constexpr uid_t kNobody = 65534;
  const bool was_root_ = geteuid() == 0;
};

}  // namespace parallax
