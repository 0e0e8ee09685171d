#include "common/grpc_security.h"

#include <fmt/format.h>
#include <google/protobuf/stubs/logging.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/slice.h>
#include <grpc/support/log.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <atomic>
#include <utility>
#include <vector>

#include "common/log.h"
#include "common/tls_session.h"

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

std::shared_ptr<grpc::Channel> Dial(const HostPort& address, const TlsIdentity& identity,
                                    int most_message_bytes) {
  DemandTls13();
  grpc::experimental::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(Provider(identity));
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();

  grpc::ChannelArguments arguments;
  arguments.SetSslTargetNameOverride(std::string(kCollectorDnsName));
  arguments.SetMaxReceiveMessageSize(most_message_bytes);
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

// gRPC 1.51 can read certificates anew in two ways: a file watcher that takes what it finds, so
// that one broken file ends all new connections, and a callback of its C interface that is asked at
// each handshake. This is the second one in C++ clothes.
class HeldCredentials final : public grpc::ServerCredentials {
 public:
  HeldCredentials(std::shared_ptr<const IdentityHolder> identity, JudgeCall judge)
      : state_(new State{std::move(identity), std::move(judge)}),
        credentials_(grpc_ssl_server_credentials_create_with_options(
            grpc_ssl_server_credentials_create_options_using_config_fetcher(
                GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY, Fetch, state_))) {
    // Connections outlive this object, and the C object lives as long as they do: what it is to
    // call with goes when it goes.
    grpc_server_credentials_set_auth_metadata_processor(
        credentials_, {Judge, [](void* state) { delete static_cast<State*>(state); }, state_});
  }
  ~HeldCredentials() override { grpc_server_credentials_release(credentials_); }

  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {}

 private:
  struct State {
    std::shared_ptr<const IdentityHolder> identity;
    JudgeCall judge;
    std::atomic<uint64_t> version = 0;  // as last handed out; gRPC asks one at a time
  };

  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  static grpc_ssl_certificate_config_reload_status Fetch(
      void* raw, grpc_ssl_server_certificate_config** config) {
    auto& state = *static_cast<State*>(raw);
    const IdentityHolder::Held held = state.identity->Get();
    if (held.version == state.version.exchange(held.version)) {
      return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    }
    const grpc_ssl_pem_key_cert_pair pair{held.identity->key_pem.c_str(),
                                          held.identity->certificate_pem.c_str()};
    *config = grpc_ssl_server_certificate_config_create(held.identity->ca_pem.c_str(), &pair, 1);
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
  }

  static std::string_view Text(const grpc_slice& slice) {
    const void* bytes = GRPC_SLICE_START_PTR(slice);
    return {static_cast<const char*>(bytes), GRPC_SLICE_LENGTH(slice)};
  }

  static void Judge(void* raw, grpc_auth_context* context, const grpc_metadata* metadata,
                    size_t count, grpc_process_auth_metadata_done_cb done, void* done_data) {
    const auto& state = *static_cast<const State*>(raw);
    grpc::Status status;
    if (state.judge) {
      std::string_view method;
      for (size_t i = 0; i < count; ++i) {
        if (Text(metadata[i].key) == ":path") {
          method = Text(metadata[i].value);
        }
      }
      std::string_view pem;
      auto found =
          grpc_auth_context_find_properties_by_name(context, GRPC_X509_PEM_CERT_PROPERTY_NAME);
      if (const grpc_auth_property* property = grpc_auth_property_iterator_next(&found)) {
        pem = {property->value, property->value_length};
      }
      status = state.judge(method, pem);
    }
    done(done_data, nullptr, 0, nullptr, 0, static_cast<grpc_status_code>(status.error_code()),
         status.ok() ? nullptr : status.error_message().c_str());
  }

  State* const state_;  // owned by credentials_
  grpc_server_credentials* const credentials_;
};

}  // namespace

void RouteGrpcLog() {
  gpr_set_log_function([](gpr_log_func_args* args) { LogDebug("gRPC: {}", args->message); });
  // A line for each text that is not UTF-8, from whoever sends it, belongs in no log either.
  google::protobuf::SetLogHandler(
      [](google::protobuf::LogLevel, const char*, int, const std::string& message) {
        LogDebug("protobuf: {}", message);
      });
}

std::shared_ptr<grpc::ServerCredentials> CollectorCredentials(
    std::shared_ptr<const IdentityHolder> identity, JudgeCall judge) {
  DemandTls13();
  return std::make_shared<HeldCredentials>(std::move(identity), std::move(judge));
}

std::shared_ptr<grpc::Channel> DialCollector(const HostPort& address, const TlsIdentity& identity) {
  return Dial(address, identity, kMaxMessageBytes);
}

std::shared_ptr<grpc::Channel> DialOperatorPort(const HostPort& address,
                                                const TlsIdentity& identity, int most_reply_bytes) {
  return Dial(address, identity, most_reply_bytes);
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
