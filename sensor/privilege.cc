#include "sensor/privilege.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "common/fd.h"

namespace parallax::sensor {

Result<void> DropPrivileges(KeepCapability keep) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return tl::make_unexpected(ErrnoError("cannot give up privileges (no_new_privs)", errno));
  }
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  if (syscall(SYS_capget, &header, data) != 0) {
    return tl::make_unexpected(ErrnoError("cannot read capabilities", errno));
  }
  for (__user_cap_data_struct& word : data) {
    word.inheritable = 0;
  }
  // 13: in the first word
  const uint32_t kept = keep == KeepCapability::kNetRaw ? 1u << CAP_NET_RAW : 0;
  data[0].permitted &= kept;
  data[0].effective &= kept;
  data[1].permitted = 0;
  data[1].effective = 0;
  if (syscall(SYS_capset, &header, data) != 0) {
    return tl::make_unexpected(ErrnoError("cannot give up capabilities", errno));
  }
  return {};
}

}  // namespace parallax::sensor
