#include <fmt/format.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "common/fd.h"
#include "common/tls_dial.h"
#include "sensor/doctor/look.h"
#include "sensor/link/time_call.h"

namespace parallax::sensor {
namespace {

constexpr size_t kMostAddresses = 8;

struct Resolved {
  sockaddr_storage socket_address{};
  socklen_t length = 0;
  IpAddress address;
};

std::optional<IpAddress> AddressOf(const sockaddr* address) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(address);
  return address->sa_family == AF_INET    ? IpAddress::FromBytes({bytes + 4, 4})
         : address->sa_family == AF_INET6 ? IpAddress::FromBytes({bytes + 8, 16})
                                          : std::nullopt;
}

// Of both families, as the sensor's link asks for them.
Result<std::vector<Resolved>> Resolve(const HostPort& where) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(where.port);
  if (const int error = getaddrinfo(where.host.c_str(), port.c_str(), &hints, &found); error != 0) {
    return Fail(ErrorCode::kNotFound, gai_strerror(error));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, freeaddrinfo);
  std::vector<Resolved> all;
  for (const addrinfo* a = found; a != nullptr && all.size() < kMostAddresses; a = a->ai_next) {
    const auto address = AddressOf(a->ai_addr);
    if (address && a->ai_addrlen <= sizeof(sockaddr_storage)) {
      Resolved& one = all.emplace_back();
      std::memcpy(&one.socket_address, a->ai_addr, a->ai_addrlen);
      one.length = a->ai_addrlen;
      one.address = *address;
    }
  }
  if (all.empty()) {
    return Fail(ErrorCode::kNotFound, "it has no address");
  }
  return all;
}

// The errno, or 0.
int Connect(int fd, const Resolved& to, MonoTime deadline) {
  if (connect(fd, reinterpret_cast<const sockaddr*>(&to.socket_address), to.length) == 0) {
    return 0;
  }
  if (errno != EINPROGRESS) {
    return errno;
  }
  if (!PollUntil(fd, POLLOUT, deadline)) {
    return errno;
  }
  int error = 0;
  socklen_t size = sizeof error;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

DialFacts Dial(const Resolved& to, const std::optional<TlsIdentity>& identity, MonoTime deadline) {
  DialFacts facts;
  facts.address = to.address;
  const MonoTime began = Now().mono;
  const UniqueFd fd(
      socket(to.socket_address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int error = fd ? Connect(fd.get(), to, deadline) : errno;
  facts.connected_in = Now().mono - began;
  if (error != 0) {
    std::string why = std::strerror(error);
    why[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(why[0])));
    facts.problem = std::move(why);
    return facts;
  }
  if (!identity) {
    facts.step = DialFacts::Step::kDone;
    return facts;
  }
  facts.tls_tried = true;
  const TlsDialResult shaken = DialTls(fd.get(), *identity, deadline);
  facts.handshake_in = shaken.handshake_in;
  facts.problem = shaken.problem;
  facts.step = !shaken.shaken_hands ? DialFacts::Step::kHandshake
               : !shaken.accepted   ? DialFacts::Step::kAnswer
                                    : DialFacts::Step::kDone;
  return facts;
}

}  // namespace

CollectorFacts LookAtCollector(const HostPort& where, const std::optional<TlsIdentity>& identity,
                               MonoTime deadline) {
  CollectorFacts facts;
  facts.where = where;
  const MonoTime began = Now().mono;
  const auto addresses = Resolve(where);
  facts.resolved_in = Now().mono - began;
  if (!addresses) {
    facts.resolve_problem = addresses.error().message;
  } else {
    // Each has its share of the time that is left: a silent one keeps none from being looked at.
    for (size_t i = 0; i < addresses->size(); ++i) {
      const MonoTime now = Now().mono;
      const Duration share = (deadline - now) / static_cast<int64_t>(addresses->size() - i);
      facts.dials.push_back(Dial((*addresses)[i], identity, now + share));
    }
  }
  if (identity && std::ranges::any_of(facts.dials, [](const DialFacts& dial) {
        return dial.step == DialFacts::Step::kDone;
      })) {
    const auto clock = AskTime(where, *identity, deadline);
    if (clock) {
      facts.clock = *clock;
    } else if (clock.error().code == ErrorCode::kDenied) {
      facts.refusal = clock.error().message;
    }
  }
  facts.finished = true;
  facts.waited = Now().mono - began;
  return facts;
}

}  // namespace parallax::sensor
