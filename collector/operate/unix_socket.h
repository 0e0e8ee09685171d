// Unix sockets by path, for the operators' server and its client. No state.
#pragma once

#include <string>

#include "common/result.h"

namespace parallax::collector {

// Fails with kBadConfig if `path` is empty or longer than a socket address holds.
Result<void> CheckSocketPath(const std::string& path);

// Connects and hangs up: 0 if somebody listens, else the errno (ENOENT, ECONNREFUSED, EACCES, ...).
int TryConnect(const std::string& path);

// How gRPC names the socket: "unix:" and the path with what a URI would misread escaped.
std::string GrpcAddressOf(const std::string& path);

}  // namespace parallax::collector
