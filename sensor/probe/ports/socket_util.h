// What both probe ports need of the socket interface: addresses, options, control messages, receive
// times, and the source address that the kernel would choose. Owned by the probe thread.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "common/fd.h"
#include "common/ip.h"
#include "common/result.h"
#include "common/time.h"

namespace parallax::sensor {

sockaddr_in SockAddrV4(const IpAddress& address, uint16_t port);
// For raw sockets `port` must be 0. `scope`: interface index, for link-local addresses.
sockaddr_in6 SockAddrV6(const IpAddress& address, uint16_t port, uint32_t scope);

template <typename SockAddr>
const sockaddr* Generic(const SockAddr& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}
template <typename SockAddr>
sockaddr* Generic(SockAddr& address) {
  return reinterpret_cast<sockaddr*>(&address);
}

// An address of either family, for the kernel to read or to fill in.
class SocketAddress {
 public:
  SocketAddress() = default;
  SocketAddress(const IpAddress& address, uint16_t port, uint32_t scope = 0);
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage_); }
  socklen_t size() const { return size_; }
  static constexpr socklen_t capacity() { return sizeof(sockaddr_in6); }
  // 0.0.0.0 if it is neither IPv4 nor IPv6.
  IpAddress address() const;
  uint16_t port() const;

 private:
  sockaddr_in6 storage_{};  // roomy enough for IPv4's, too
  socklen_t size_ = sizeof(sockaddr_in6);
};

// 0.0.0.0 or ::.
IpAddress Unspecified(Family family);

// 0.0.0.0 for any other family, or if `address` is null.
IpAddress AddressOf(const sockaddr* address);

Result<void> SetInt(int fd, int level, int option, int value, const char* what);

// Room for one control message with each of these, aligned as CMSG_* want it.
template <typename... Data>
union ControlBuffer {
  static constexpr size_t kBytes = (CMSG_SPACE(sizeof(Data)) + ...);
  cmsghdr align;
  std::array<char, kBytes> bytes;
};

// A message to receive into. REQUIRES: what it is made of outlives it.
template <typename Control>
msghdr MessageInto(SocketAddress& from, iovec& data, Control& control) {
  msghdr message{};
  message.msg_name = from.get();
  message.msg_namelen = SocketAddress::capacity();
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes.data();
  message.msg_controllen = control.bytes.size();
  return message;
}

// Appends control messages to a message about to be sent. REQUIRES: there is room in `buffer`,
// which outlives the message.
class ControlWriter {
 public:
  template <typename Buffer>
  ControlWriter(msghdr& message, Buffer& buffer) : message_(message), data_(buffer.bytes.data()) {
    message_.msg_control = nullptr;
    message_.msg_controllen = 0;
  }
  template <typename Data>
  void Add(int level, int type, const Data& data) {
    cmsghdr header{};
    header.cmsg_level = level;
    header.cmsg_type = type;
    header.cmsg_len = CMSG_LEN(sizeof data);
    char* at = data_ + message_.msg_controllen;
    std::memcpy(at, &header, sizeof header);
    std::memcpy(at + CMSG_LEN(0), &data, sizeof data);
    message_.msg_control = data_;
    message_.msg_controllen += CMSG_SPACE(sizeof data);
  }

 private:
  msghdr& message_;
  char* data_;
};

// The data of the first control message of this kind; nullopt if there is none, or it is shorter.
template <typename Data>
std::optional<Data> FindControl(msghdr& message, int level, int type) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level == level && c->cmsg_type == type && c->cmsg_len >= CMSG_LEN(sizeof(Data))) {
      Data data;
      std::memcpy(&data, CMSG_DATA(c), sizeof data);
      return data;
    }
  }
  return std::nullopt;
}

// When the kernel received the message, on the monotonic clock; `now.mono` if it does not say
// (SO_TIMESTAMPNS), or says what cannot be because the wall clock was set in between.
MonoTime ReceiveTime(msghdr& message, const Moment& now);

// TTL or hop limit of a received message (IP_RECVTTL, IPV6_RECVHOPLIMIT); 0: the kernel does not
// say.
uint8_t ReceivedTtl(msghdr& message);

// sendmsg without waiting: 0, or the errno.
int SendMessage(int fd, const msghdr& message);

// The source addresses that the kernel would choose.
class SourceFinder {
 public:
  SourceFinder();
  // 0, or the errno with which the kernel says that there is no way there.
  int Find(const IpAddress& target, uint32_t scope, uint16_t port, IpAddress& source) const;

 private:
  UniqueFd v4_;  // UDP sockets that are connected, and never send
  UniqueFd v6_;
};

}  // namespace parallax::sensor
