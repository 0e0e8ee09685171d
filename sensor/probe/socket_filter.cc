#include "sensor/probe/socket_filter.h"

#include <linux/filter.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "common/fd.h"

namespace parallax::sensor {
namespace {

constexpr uint32_t kKeep = 0xffff;  // the whole packet
constexpr uint32_t kTcpRst = 0x04;
constexpr uint32_t kTcpSynAck = 0x12;

constexpr sock_filter Statement(unsigned code, uint32_t k) {
  return {static_cast<uint16_t>(code), 0, 0, k};
}
constexpr sock_filter Jump(unsigned code, uint32_t k, uint8_t if_true, uint8_t if_false) {
  return {static_cast<uint16_t>(code), if_true, if_false, k};
}

// An IPv6 raw socket's filter starts at the TCP header, an IPv4 one's at the IP
// header, whose length goes into X.
std::array<sock_filter, 10> TcpProgram(Family family, PortRange ports) {
  const bool v4 = family == Family::kV4;
  return {{
      /*0*/ v4 ? Statement(BPF_LDX | BPF_B | BPF_MSH, 0) : Statement(BPF_LDX | BPF_W | BPF_IMM, 0),
      /*1*/ Statement(BPF_LD | BPF_H | BPF_IND, 2),  // destination port
      /*2*/ Jump(BPF_JMP | BPF_JGE | BPF_K, ports.first, 0, 6),
      /*3*/ Jump(BPF_JMP | BPF_JGT | BPF_K, ports.last, 5, 0),
      /*4*/ Statement(BPF_LD | BPF_B | BPF_IND, 13),  // flags
      /*5*/ Jump(BPF_JMP | BPF_JSET | BPF_K, kTcpRst, 2, 0),
      /*6*/ Statement(BPF_ALU | BPF_AND | BPF_K, kTcpSynAck),
      /*7*/ Jump(BPF_JMP | BPF_JEQ | BPF_K, kTcpSynAck, 0, 1),
      /*8*/ Statement(BPF_RET | BPF_K, kKeep),
      /*9*/ Statement(BPF_RET | BPF_K, 0),
  }};
}

Result<void> Set(int fd, int level, int option, const void* value, size_t size, const char* what) {
  if (setsockopt(fd, level, option, value, static_cast<socklen_t>(size)) != 0) {
    return tl::make_unexpected(ErrnoError(what, errno));
  }
  return {};
}

}  // namespace

Result<void> FilterTcp(int fd, Family family, PortRange ports) {
  auto program = TcpProgram(family, ports);
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  return Set(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter,
             "cannot filter the raw TCP socket");
}

Result<void> FilterIcmp(int fd, Family family) {
  if (family == Family::kV4) {
    icmp_filter filter{};  // a set bit blocks the type
    filter.data = ~(1u << ICMP_ECHOREPLY | 1u << ICMP_DEST_UNREACH | 1u << ICMP_TIME_EXCEEDED |
                    1u << ICMP_PARAMETERPROB);
    return Set(fd, SOL_RAW, ICMP_FILTER, &filter, sizeof filter,
               "cannot filter the raw ICMP socket");
  }
  icmp6_filter filter;
  ICMP6_FILTER_SETBLOCKALL(&filter);
  for (const int type :
       {ICMP6_ECHO_REPLY, ICMP6_DST_UNREACH, ICMP6_TIME_EXCEEDED, ICMP6_PARAM_PROB}) {
    ICMP6_FILTER_SETPASS(type, &filter);
  }
  return Set(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof filter,
             "cannot filter the raw ICMPv6 socket");
}

}  // namespace parallax::sensor
