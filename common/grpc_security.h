// Mutual TLS 1.3 for the collector's ports, and the channel settings that both ends need. The only
// file that knows gRPC's TLS interfaces.
//
// A sensor checks that the peer's certificate was issued by its own CA to a collector
// (kCollectorDnsName); which address it dialled does not matter. A collector demands a client
// certificate in the handshake; who the sensor is, it reads from the certificate alone.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/security/auth_context.h>
#include <grpcpp/server_builder.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/identity_holder.h"
#include "common/ip.h"
#include "common/peer_name.h"
#include "common/tls.h"

namespace parallax {

// gRPC speaks through our log, at debug level: what matters of it comes back as a status.
void RouteGrpcLog();

// Says of a call whether it may go on, before anything of it is looked at: the method
// ("/parallax.v1.Operator/GetStatus"), and the client's certificate, PEM. From gRPC's threads; must
// not wait for anything slower than a small file.
using JudgeCall =
    std::function<grpc::Status(std::string_view method, std::string_view certificate_pem)>;

// Each handshake shows, and trusts, what `identity` holds at that moment; connections that stand
// are left alone. An identity that the TLS library does not take leaves the one before in use.
std::shared_ptr<grpc::ServerCredentials> CollectorCredentials(
    std::shared_ptr<const IdentityHolder> identity, JudgeCall judge = {});

// A lazy channel to one address of the collector; nothing is sent before it is used.
std::shared_ptr<grpc::Channel> DialCollector(const HostPort& address, const TlsIdentity& identity);

// The same for operators, whose answers can be large.
std::shared_ptr<grpc::Channel> DialOperatorPort(const HostPort& address,
                                                const TlsIdentity& identity, int most_reply_bytes);

// Settings for the collector's port: bounded buffers, keep-alive, no port sharing.
void ConfigureCollectorPort(grpc::ServerBuilder& builder);

// The sensor that the client certificate names; nullopt if it names none.
std::optional<PeerName> PeerSensor(const grpc::AuthContext& context);

// The peer's certificate, PEM; empty if it showed none.
std::string PeerCertificate(const grpc::AuthContext& context);

// "ipv4:192.0.2.1:5000", "ipv6:%5B2001:db8::1%5D:5000": where a call comes from.
std::optional<IpAddress> PeerAddress(const std::string& peer);

}  // namespace parallax
