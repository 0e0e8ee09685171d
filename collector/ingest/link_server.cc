#include "collector/ingest/link_server.h"

#include <fmt/format.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <chrono>

#include "collector/ingest/link_service.h"
#include "common/grpc_security.h"

namespace parallax::collector {
namespace {

constexpr std::chrono::seconds kStopTimeout{2};

}  // namespace

struct LinkServer::Impl {
  Impl(BoundedQueue<LinkEvent>& events, std::shared_ptr<const IdentityHolder> identity,
       const LinkServerOptions& options)
      : service(events, std::move(identity), options) {}
  LinkService service;
  uint16_t port = 0;
  std::unique_ptr<grpc::Server> server;
};

LinkServer::LinkServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LinkServer::~LinkServer() { Stop(); }

Result<std::unique_ptr<LinkServer>> LinkServer::Start(
    const HostPort& listen, std::shared_ptr<const IdentityHolder> identity,
    BoundedQueue<LinkEvent>& events, const LinkServerOptions& options) {
  RouteGrpcLog();
  auto impl = std::make_unique<Impl>(events, identity, options);
  const std::string address = listen.host.find(':') == std::string::npos
                                  ? fmt::format("{}:{}", listen.host, listen.port)
                                  : fmt::format("[{}]:{}", listen.host, listen.port);
  grpc::ServerBuilder builder;
  ConfigureCollectorPort(builder);
  int port = 0;
  builder.AddListeningPort(address, CollectorCredentials(std::move(identity)), &port);
  builder.RegisterService(&impl->service);
  impl->server = builder.BuildAndStart();
  if (impl->server == nullptr || port == 0) {
    return Fail(ErrorCode::kFailure,
                fmt::format("cannot listen on {}: the address is not of this host or the port is "
                            "taken (change server.listen, or see who has it with: ss -ltnp)",
                            address));
  }
  impl->port = static_cast<uint16_t>(port);
  return std::unique_ptr<LinkServer>(new LinkServer(std::move(impl)));
}

uint16_t LinkServer::port() const { return impl_->port; }

void LinkServer::SendOrders(const SensorName& sensor, const std::vector<Order>& orders) {
  impl_->service.SendOrders(sensor, orders);
}

void LinkServer::Committed(const SensorName& sensor, uint64_t epoch, uint64_t sequence) {
  impl_->service.Committed(sensor, epoch, sequence);
}

void LinkServer::End(const SensorName& sensor, const std::string& why) {
  impl_->service.End(sensor, why);
}

void LinkServer::TellTrust() { impl_->service.TellTrust(); }

void LinkServer::Resume() { impl_->service.Resume(); }

uint64_t LinkServer::orders_dropped() const { return impl_->service.orders_dropped(); }

void LinkServer::StopReading() { impl_->service.StopReading(); }

void LinkServer::Stop() {
  if (impl_->server != nullptr) {
    impl_->service.CloseAll();
    impl_->server->Shutdown(std::chrono::system_clock::now() + kStopTimeout);
    impl_->server->Wait();
    impl_->server.reset();
  }
}

}  // namespace parallax::collector
