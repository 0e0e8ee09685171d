#include "common/grpc_security.h"

#include <fmt/format.h>
#include <grpc/support/log.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <vector>

#include "common/log.h"

namespace parallax {
namespace {

constexpr int kMaxMessageBytes = 1 << 20;
constexpr size_t kServerMemoryBytes = 256u << 20;
constexpr int kMaxThreads = 16;

std::shared_ptr<grpc::experimental::CertificateProviderInterface> Provider(
    const TlsIdentity& identity) {
  return std::make_shared<grpc::experimental::StaticDataCertificateProvider>(
      identity.ca_pem, std::vector<grpc::experimental::IdentityKeyCertPair>{
                           {identity.key_pem, identity.certificate_pem}});
}

}  // namespace

void RouteGrpcLog() {
  gpr_set_log_function([](gpr_log_func_args* args) { LogDebug("gRPC: {}", args->message); });
}

std::shared_ptr<grpc::ServerCredentials> CollectorCredentials(const TlsIdentity& identity) {
  grpc::experimental::TlsServerCredentialsOptions options(Provider(identity));
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  return grpc::experimental::TlsServerCredentials(options);
}

std::shared_ptr<grpc::Channel> DialCollector(const HostPort& address, const TlsIdentity& identity) {
  grpc::experimental::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(Provider(identity));
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();

  grpc::ChannelArguments arguments;
  arguments.SetSslTargetNameOverride(std::string(kCollectorDnsName));
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5'000);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  // Each channel its own connection: a dead one must not be handed to the next attempt.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  const std::string target = address.host.find(':') == std::string::npos
                                 ? fmt::format("{}:{}", address.host, address.port)
                                 : fmt::format("[{}]:{}", address.host, address.port);
  return grpc::CreateCustomChannel(target, grpc::experimental::TlsCredentials(options), arguments);
}

void ConfigureCollectorPort(grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  // An unread stream holds 64 KiB instead of about 4 MiB.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  // A second collector on the same port is an error, not a partner.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5'000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 5);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  // Whoever connects and says nothing, or opens no stream, does not stay.
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, 60'000);
  // One stream per connection; a few more for a reconnect that overlaps.
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 4);
  grpc::ResourceQuota quota("parallax-link");
  quota.Resize(kServerMemoryBytes);
  quota.SetMaxThreads(kMaxThreads);
  builder.SetResourceQuota(quota);
}

std::optional<PeerName> PeerSensor(const grpc::AuthContext& context) {
  if (!context.IsPeerAuthenticated()) {
    return std::nullopt;
  }
  const std::vector<grpc::string_ref> uris = context.FindPropertyValues("peer_spiffe_id");
  if (uris.size() != 1) {
    return std::nullopt;
  }
  return ParseSensorUri(std::string_view(uris[0].data(), uris[0].size()));
}

std::string PeerCertificate(const grpc::AuthContext& context) {
  const std::vector<grpc::string_ref> pem =
      context.FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME);
  return pem.size() == 1 ? std::string(pem[0].data(), pem[0].size()) : std::string();
}

std::optional<IpAddress> PeerAddress(const std::string& peer) {
  const size_t scheme = peer.find(':');
  if (scheme == std::string::npos) {
    return std::nullopt;
  }
  std::string_view rest = std::string_view(peer).substr(scheme + 1);
  const size_t port = rest.rfind(':');
  if (port == std::string_view::npos) {
    return std::nullopt;
  }
  rest = rest.substr(0, port);
  for (const std::string_view open : {"%5B", "["}) {
    if (rest.starts_with(open)) {
      rest.remove_prefix(open.size());
    }
  }
  for (const std::string_view close : {"%5D", "]"}) {
    if (rest.ends_with(close)) {
      rest.remove_suffix(close.size());
    }
  }
  rest = rest.substr(0, rest.find('%'));  // a zone
  std::optional<IpAddress> address = IpAddress::Parse(rest);
  // An IPv4 caller on a dual-stack socket.
  if (address && !address->is_v4()) {
    static const Prefix mapped = *Prefix::Parse("::ffff:0:0/96");
    if (mapped.Contains(*address)) {
      address = IpAddress::FromBytes(address->bytes().last(4));
    }
  }
  return address;
}

}  // namespace parallax
