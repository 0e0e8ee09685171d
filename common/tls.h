// Who a daemon is on the network: reads certificates and keys, refuses what would not hold in a
// handshake with a message that names the file and the remedy, and reads names out of certificates.
// Thread-safe: no state. gRPC makes the connections; this file only judges what it is given.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/peer_name.h"
#include "common/result.h"
#include "common/time.h"

namespace parallax {

// In every collector's certificate, and what sensors verify, whatever address they dialled.
inline constexpr std::string_view kCollectorDnsName = "collector.parallax.internal";

// PEM texts, ready for gRPC. `certificate_pem` may be a chain, own certificate first.
struct TlsIdentity {
  std::string ca_pem;
  std::string certificate_pem;
  std::string key_pem;
  bool operator==(const TlsIdentity&) const = default;
};

// Reads and checks the three files of a daemon. Fails with kBadConfig, or kPermission if a file may
// not be read, when one is missing, unreadable or no PEM, the key does not belong to the
// certificate or can be read by others, or the certificate is not signed by the CA or not valid at
// `now`.
Result<TlsIdentity> LoadTlsIdentity(const std::string& ca_file, const std::string& certificate_file,
                                    const std::string& key_file, WallTime now);

// The same of texts that are not in files yet; the names are for messages. All but the key's mode.
Result<void> CheckTlsIdentity(const TlsIdentity& identity, const std::string& ca_file,
                              const std::string& certificate_file, const std::string& key_file,
                              WallTime now);

struct CertificateInfo {
  std::string spiffe_uri;  // the URI name, empty if there is none
  std::vector<std::string> dns_names;
  std::vector<std::string> ip_addresses;
  WallTime not_before;
  WallTime not_after;
  std::string sha256;  // fingerprint of the DER, 64 lower-case hex digits
  std::string
      key_sha256;  // likewise of the SubjectPublicKeyInfo: the same for one key's certificates
};

// The first certificate in `pem`.
Result<CertificateInfo> DescribeCertificate(std::string_view pem);

}  // namespace parallax
