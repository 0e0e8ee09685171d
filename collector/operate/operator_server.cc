#include "collector/operate/operator_server.h"

#include <fmt/format.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>

#include "collector/operate/operator_files.h"
#include "collector/operate/operator_service.h"
#include "collector/operate/unix_socket.h"
#include "collector/store/reader.h"
#include "common/fd.h"
#include "common/grpc_security.h"

namespace parallax::collector {
namespace {

constexpr mode_t kSocketMode = 0660;
constexpr int kMostThreads = 32;  // 16 watches and some room for questions
constexpr int kMostRequestBytes = 64 << 10;
constexpr auto kGrace = std::chrono::seconds(2);

// Makes sure that nothing of value is where the socket is to be.
Result<void> ClearTheWay(const std::string& path) {
  struct stat status = {};
  if (::lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) {
      return {};
    }
    return tl::make_unexpected(ErrnoError(path, errno));
  }
  if (!S_ISSOCK(status.st_mode)) {
    return Fail(ErrorCode::kFailure,
                fmt::format("{}: exists and is no socket; move it away, or set "
                            "server.operator_socket to another path",
                            path));
  }
  switch (const int error = TryConnect(path)) {
    case 0:
      return Fail(ErrorCode::kFailure,
                  fmt::format("{}: another collector serves operators there; stop that one first, "
                              "or set server.operator_socket to another path",
                              path));
    case ECONNREFUSED:  // left behind by a collector that died
      if (::unlink(path.c_str()) != 0) {
        return tl::make_unexpected(ErrnoError(path, errno));
      }
      return {};
    case ENOENT:
      return {};
    default:
      return tl::make_unexpected(ErrnoError(path, error));
  }
}

// gRPC makes the socket file with the mode that the umask leaves; this narrows it from the first
// moment. The umask is the whole process's: what other threads make meanwhile gets less, not more.
class NarrowUmask {
 public:
  NarrowUmask() : before_(::umask(~kSocketMode & 0777)) {}
  NarrowUmask(const NarrowUmask&) = delete;
  NarrowUmask& operator=(const NarrowUmask&) = delete;
  ~NarrowUmask() { ::umask(before_); }

 private:
  const mode_t before_;
};

// May this operator call that?
grpc::Status Judge(const CollectorConfig::Tls& tls, std::string_view method,
                   std::string_view certificate_pem, WallTime now) {
  const auto who = IdentifyOperator(tls, certificate_pem, now);
  if (!who) {
    return {grpc::StatusCode::UNAUTHENTICATED, who.error().message};
  }
  if (who->role != OperatorRole::kWrite && !OnlyReads(method)) {
    return {grpc::StatusCode::PERMISSION_DENIED,
            fmt::format("operator {} may only read", who->name)};
  }
  return grpc::Status::OK;
}

Result<void> CheckFolder(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  const std::string name = folder.empty() ? "." : folder;
  if (::access(name.c_str(), W_OK | X_OK) != 0) {
    return tl::make_unexpected(
        ErrnoError(fmt::format("{}: cannot make a socket in {}", path, name), errno));
  }
  return {};
}

}  // namespace

struct OperatorServer::Impl {
  explicit Impl(OperatorServiceOptions options) : service(std::move(options)) {}
  OperatorService service;
  std::unique_ptr<grpc::Server> server;
};

OperatorServer::OperatorServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

OperatorServer::~OperatorServer() { Stop(); }

Result<std::unique_ptr<OperatorServer>> OperatorServer::Start(
    const OperatorServerOptions& options) {
  const std::string& path = options.socket_path;
  if (auto fits = CheckSocketPath(path); !fits) {
    return tl::make_unexpected(fits.error());
  }
  // A database that cannot be read is better known now than at the first question.
  if (auto reader = Reader::Open(options.database_path, std::chrono::seconds(1)); !reader) {
    return tl::make_unexpected(reader.error());
  }
  if (auto folder = CheckFolder(path); !folder) {
    return tl::make_unexpected(folder.error());
  }
  if (auto clear = ClearTheWay(path); !clear) {
    return tl::make_unexpected(clear.error());
  }

  OperatorServiceOptions service_options;
  service_options.database_path = options.database_path;
  service_options.version = PARALLAX_VERSION;
  service_options.started_at = options.started_at;
  service_options.clock = options.clock;
  service_options.daemon = options.daemon;
  service_options.desk = options.desk;
  service_options.probes = options.probes;
  service_options.may_probe = options.may_probe;
  const auto judge = [tls = options.tls, clock = options.clock](std::string_view method,
                                                                std::string_view certificate_pem) {
    return Judge(tls, method, certificate_pem, clock());
  };
  service_options.may_watch = [judge](std::string_view certificate_pem) {
    return judge("/parallax.v1.Operator/WatchIncidents", certificate_pem);
  };
  auto impl = std::make_unique<Impl>(std::move(service_options));

  grpc::ServerBuilder builder;
  int bound = 0;
  builder.AddListeningPort(GrpcAddressOf(path), grpc::InsecureServerCredentials(), &bound);
  int port = 0;
  if (options.listen) {
    builder.AddListeningPort(options.listen->ToString(),
                             CollectorCredentials(options.identity, judge), &port);
  }
  builder.RegisterService(&impl->service);
  builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 2);
  builder.SetResourceQuota(grpc::ResourceQuota("operators").SetMaxThreads(kMostThreads));
  builder.SetMaxReceiveMessageSize(kMostRequestBytes);
  {
    const NarrowUmask narrow;
    impl->server = builder.BuildAndStart();
  }
  if (options.listen && (impl->server == nullptr || port == 0)) {
    return Fail(ErrorCode::kFailure,
                fmt::format("cannot listen on {}: the address is not of this host or the port is "
                            "taken (change server.operator_listen, or see who has it with: ss "
                            "-ltnp)",
                            options.listen->ToString()));
  }
  if (impl->server == nullptr || bound == 0) {
    return Fail(ErrorCode::kFailure, fmt::format("{}: cannot serve operators there", path));
  }
  if (::chmod(path.c_str(), kSocketMode) != 0) {
    return tl::make_unexpected(ErrnoError(path, errno));
  }
  return std::unique_ptr<OperatorServer>(new OperatorServer(std::move(impl)));
}

void OperatorServer::Stop() {
  if (impl_ == nullptr) {
    return;
  }
  impl_->service.Stop();
  impl_->server->Shutdown(std::chrono::system_clock::now() + kGrace);
  impl_->server->Wait();
  impl_.reset();  // gRPC removes the socket file
}

}  // namespace parallax::collector
