// The campus's own certificate authority: makes its key, and signs the certificates by which the
// collector and the sensors know each other. P-256 throughout, random 128-bit serial numbers.
// Thread-safe: no state. Keys exist in memory and in what is returned; writing them to files with
// mode 0600 is the caller's work.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/certificate_life.h"
#include "common/peer_name.h"
#include "common/result.h"
#include "common/time.h"

namespace parallax::collector {

// A certificate and its private key, PEM.
struct KeyPair {
  std::string certificate_pem;
  std::string key_pem;
};

inline constexpr Duration kAuthorityLife = std::chrono::hours(10 * 365 * 24);
inline constexpr Duration kCollectorLife = std::chrono::hours(365 * 24);
inline constexpr Duration kSensorLife = std::chrono::hours(30 * 24);
inline constexpr Duration kOperatorLife = std::chrono::hours(90 * 24);
// Certificates start this long before they are made, or a tenth of their life if that is less
// (common/certificate_life.h).
inline constexpr Duration kBackdate = kLongestBackdate;

// A new CA: self-signed, signs leaf certificates only.
Result<KeyPair> MakeAuthority(WallTime now);

// A server certificate for kCollectorDnsName and `host` (a name or an address).
// REQUIRES: IsHostName(host) or host parses as an address.
Result<KeyPair> IssueCollector(const KeyPair& authority, const std::string& host, WallTime now);
// The same for several of them, and another life.
Result<KeyPair> IssueCollector(const KeyPair& authority, const std::vector<std::string>& hosts,
                               Duration life, WallTime now);

// A client certificate whose URI name is SensorUri(peer). REQUIRES: both parts are valid names.
Result<KeyPair> IssueSensor(const KeyPair& authority, const PeerName& peer, WallTime now,
                            Duration life = kSensorLife);

// A client certificate whose URI name is OperatorUri(name). REQUIRES: IsValidName(name.name).
Result<KeyPair> IssueOperator(const KeyPair& authority, const OperatorName& name, WallTime now);

// The same over the key of a host's own request (PEM; common/key_request.h): a certificate, PEM, of
// `peer` whatever names and extensions the request holds. Refuses, with kUsage, a request that is
// damaged, not for a P-256 key, or not signed with its own key. REQUIRES: as IssueSensor.
Result<std::string> SignSensor(const KeyPair& authority, std::string_view request_pem,
                               const PeerName& peer, WallTime now, Duration life = kSensorLife);

// Whether the key is that of the certificate; false also if either is damaged.
bool IsKeyOf(const std::string& certificate_pem, const std::string& key_pem);

// Where `authority` holds several certificates, the first one signs: it is the key's.
// No certificate outlives its CA. Issuing fails if the CA is damaged, is not valid at `now`, or its
// key is not its own.

}  // namespace parallax::collector
