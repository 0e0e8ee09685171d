#include "collector/operate/unix_socket.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "common/fd.h"

namespace parallax::collector {
namespace {

constexpr size_t kLongestPath = sizeof(sockaddr_un::sun_path) - 1;

}  // namespace

Result<void> CheckSocketPath(const std::string& path) {
  if (path.empty()) {
    return Fail(ErrorCode::kBadConfig, "the path of the operators' socket is empty");
  }
  if (path.size() > kLongestPath) {
    return Fail(ErrorCode::kBadConfig,
                fmt::format("{}: too long for a Unix socket ({} bytes, {} at the most); choose a "
                            "shorter path, such as /run/parallax/operator.sock",
                            path, path.size(), kLongestPath));
  }
  return {};
}

int TryConnect(const std::string& path) {
  if (path.empty() || path.size() > kLongestPath) {
    return ENAMETOOLONG;
  }
  const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) {
    return errno;
  }
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  const void* generic = &address;
  if (::connect(socket.get(), static_cast<const sockaddr*>(generic), sizeof(address)) == 0 ||
      errno == EAGAIN) {  // EAGAIN: somebody listens and is busy
    return 0;
  }
  return errno;
}

std::string GrpcAddressOf(const std::string& path) {
  constexpr std::string_view kPlain = "-_./~+,=@:";
  std::string address = "unix:";
  for (const char c : path) {
    const bool letter_or_digit =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (letter_or_digit || kPlain.find(c) != std::string_view::npos) {
      address += c;
    } else {
      address += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return address;
}

}  // namespace parallax::collector
