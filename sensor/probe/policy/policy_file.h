// Loads policy.toml. The file belongs to the host's administrator: it must be a regular file, owned
// by root or by the user who runs this program, and nobody else may be able to write it, nor to put
// another one in its place: to write the folder that holds it, or that which holds a symbolic link
// to it. The folders above them are the administrator's care. The collector's word does not reach
// it. Reads files; no state.
//
// "Or by the user": whoever runs `probe` with their own rights can send the same packets with any
// program, so their own policy is a seat belt, not a fence. To hold a host's users to a policy,
// give the right to open raw sockets to root's sensor alone.
//
//   packets_per_second = 100        # in all
//   per_prefix_per_second = 20      # to one /24 or /64
//   per_target_per_second = 5
//   allow = ["0.0.0.0/0", "::/0"]   # must be given; prefixes or names of special-purpose ranges
//   deny = []                       # beats allow
//   methods = ["icmp", "tcp", "udp", "trace"]
//   tcp_ports = ["1-65535"]         # numbers or spans
//   udp_ports = ["1-65535"]
//   contact = ""
#pragma once

#include <string>

#include "common/result.h"
#include "sensor/probe/policy/policy.h"

namespace parallax::sensor {

// kNoConfig: there is no such file, or it is no regular one. kPermission: it cannot be read, or
// others could have written it. kBadConfig: the administrator's file, but wrong; each error with
// its line and column. The message names the remedy. For what follows see Reconsider (policy.h).
Result<Policy> LoadPolicy(const std::string& path);

}  // namespace parallax::sensor
