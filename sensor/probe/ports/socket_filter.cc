#include "sensor/probe/ports/socket_filter.h"

#include <linux/filter.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <initializer_list>
#include <vector>

#include "common/fd.h"

namespace parallax::sensor {
namespace {

constexpr uint32_t kKeep = 0xffff;  // the whole packet
constexpr uint32_t kTcpAck = 0x10;

constexpr sock_filter Statement(unsigned code, uint32_t k) {
  return {static_cast<uint16_t>(code), 0, 0, k};
}
constexpr sock_filter Jump(unsigned code, uint32_t k, uint8_t if_true, uint8_t if_false) {
  return {static_cast<uint16_t>(code), if_true, if_false, k};
}

// Keeps what is addressed to one of `ports` and passes `further` as well, whose last statement is
// followed by "keep" and then by "drop". TCP and UDP have their ports in the same place. The filter
// of an IPv6 raw socket starts at the transport header, an IPv4 one's at the IP header, whose
// length goes into X.
std::vector<sock_filter> Program(Family family, PortRange ports,
                                 std::initializer_list<sock_filter> further) {
  const bool v4 = family == Family::kV4;
  const auto after = static_cast<uint8_t>(further.size());
  std::vector<sock_filter> program = {
      v4 ? Statement(BPF_LDX | BPF_B | BPF_MSH, 0) : Statement(BPF_LDX | BPF_W | BPF_IMM, 0),
      Statement(BPF_LD | BPF_H | BPF_IND, 2),  // destination port
      Jump(BPF_JMP | BPF_JGE | BPF_K, ports.first, 0, static_cast<uint8_t>(after + 2)),
      Jump(BPF_JMP | BPF_JGT | BPF_K, ports.last, static_cast<uint8_t>(after + 1), 0),
  };
  program.insert(program.end(), further);
  program.push_back(Statement(BPF_RET | BPF_K, kKeep));
  program.push_back(Statement(BPF_RET | BPF_K, 0));
  return program;
}

Result<void> Set(int fd, int level, int option, const void* value, size_t size, const char* what) {
  if (setsockopt(fd, level, option, value, static_cast<socklen_t>(size)) != 0) {
    return tl::make_unexpected(ErrnoError(what, errno));
  }
  return {};
}

Result<void> Attach(int fd, std::vector<sock_filter> program, const char* what) {
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  return Set(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter, what);
}

}  // namespace

Result<void> FilterTcp(int fd, Family family, PortRange ports) {
  const auto program = Program(family, ports,
                               {Statement(BPF_LD | BPF_B | BPF_IND, 13),  // flags
                                Jump(BPF_JMP | BPF_JSET | BPF_K, kTcpAck, 0, 1)});
  return Attach(fd, program, "cannot filter the raw TCP socket");
}

Result<void> FilterUdp(int fd, Family family, PortRange ports) {
  return Attach(fd, Program(family, ports, {}), "cannot filter the raw UDP socket");
}

Result<void> FilterIcmp(int fd, Family family) {
  if (family == Family::kV4) {
    icmp_filter filter{};  // a set bit blocks the type
    filter.data = ~(1u << ICMP_ECHOREPLY | 1u << ICMP_DEST_UNREACH | 1u << ICMP_REDIRECT |
                    1u << ICMP_TIME_EXCEEDED | 1u << ICMP_PARAMETERPROB);
    return Set(fd, SOL_RAW, ICMP_FILTER, &filter, sizeof filter,
               "cannot filter the raw ICMP socket");
  }
  icmp6_filter filter;
  ICMP6_FILTER_SETBLOCKALL(&filter);
  for (const int type :
       {ICMP6_ECHO_REPLY, ICMP6_DST_UNREACH, ICMP6_TIME_EXCEEDED, ICMP6_PARAM_PROB, ND_REDIRECT}) {
    ICMP6_FILTER_SETPASS(type, &filter);
  }
  return Set(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof filter,
             "cannot filter the raw ICMPv6 socket");
}

}  // namespace parallax::sensor
