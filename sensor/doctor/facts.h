// What `parallax-sensor doctor` has seen, before anything is made of it. Values only; filled by the
// look_* files beside, read by judge.h. Where something could not be looked at, that is a fact,
// too.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/ip.h"
#include "common/records.h"
#include "common/result.h"
#include "common/time.h"
#include "common/tls.h"
#include "sensor/link/time_call.h"
#include "sensor/probe/policy/policy.h"

namespace parallax::sensor {

// Whoever runs it, and what the kernel lets them do.
struct PersonFacts {
  unsigned uid = 0;
  bool net_raw = false;
};

struct IdentityFacts {
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
  std::optional<Error> ca_problem;  // cannot be read, or is no certificate
  std::optional<Error> certificate_problem;
  CertificateInfo ca;  // of these, if there is no problem
  CertificateInfo certificate;
  std::optional<unsigned> key_mode;  // absent: cannot be told
  std::optional<Error> whole;        // why the three do not hold together; absent: they do
  WallTime now;
};

struct PolicyFacts {
  std::string file;
  Result<Policy> policy = Fail(ErrorCode::kFailure, "not looked at");
};

struct InterfaceFacts {
  std::string name;
  bool exists = false;
  bool up = false;
  bool carrier = false;
  std::optional<Error> capture_problem;  // why nothing could be captured; absent: it was
  Duration looked{};                     // for so long
  uint64_t frames = 0;                   // that the interface received meanwhile
  uint64_t frames_ever = 0;              // and since it is there
  uint64_t dropped = 0;                  // by the kernel, of what our filter let pass, meanwhile
  uint64_t missed_ever = 0;              // by the network card or its driver, since it is there
  bool promiscuous = false;              // while it was looked at
};

struct InterfacesFacts {
  std::optional<Error> problem;  // which interfaces there are could not be told
  bool named = false;            // by the configuration
  bool want_promiscuous = false;
  std::vector<InterfaceFacts> items;
};

// One address of the collector, after resolving its name, and how far the way to it was gone.
struct DialFacts {
  enum class Step : uint8_t { kConnect, kHandshake, kAnswer, kDone };
  IpAddress address;
  Step step = Step::kConnect;  // that failed; kDone: none
  std::string problem;         // why
  Duration connected_in{};
  Duration handshake_in{};
  bool tls_tried = false;
};

struct CollectorFacts {
  HostPort where;
  bool finished = false;  // else it was given up after `waited`
  Duration waited{};
  std::optional<std::string> resolve_problem;
  Duration resolved_in{};
  std::vector<DialFacts> dials;
  std::optional<CollectorClock> clock;  // absent: it was not reached, or is too old to tell
  std::optional<std::string> refusal;   // it takes our certificate, but does not let us in
};

struct ClockFacts {
  std::optional<bool> synchronised;  // as the kernel has it; absent: it does not say
};

struct SpoolFacts {
  std::string folder;
  std::string mount_point;
  std::optional<Error> problem;  // a file could not be made and removed there
  bool read_only = false;        // the file system is
  bool in_memory = false;        // it does not outlive the host's next start
  uint64_t free_bytes = 0;
};

struct WayFacts {
  std::optional<Error> raw_problem;  // why no raw sockets could be opened
  std::vector<GatewayHealth> gateways;
  bool asked = false;  // by echo requests; else the neighbour table alone was read
  bool has_v4 = false;
  bool has_v6 = false;  // addresses beyond the link
  std::string device_of_gateway;
};

// A probe to ourselves, by the very path that all probes take out.
struct LoopbackFacts {
  std::optional<Error> problem;
  Duration rtt{};
};

struct SensorFacts {
  std::string config_file;
  std::string program;  // the path of this program
  PersonFacts person;
  IdentityFacts identity;
  PolicyFacts policy;
  std::optional<InterfacesFacts> interfaces;  // absent: did not come back in time; so below
  std::vector<CollectorFacts> collectors;
  ClockFacts clock;
  std::optional<SpoolFacts> spool;
  std::optional<WayFacts> way;
  std::optional<LoopbackFacts> loopback;
  Duration waited{};  // for those that did not come back
};

}  // namespace parallax::sensor
