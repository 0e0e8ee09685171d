#include "collector/enrol/https_server.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <map>
#include <optional>
#include <utility>

#include "common/log.h"
#include "common/tls_session.h"

namespace parallax::collector {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using Stream = beast::ssl_stream<beast::tcp_stream>;

constexpr Duration kTick = std::chrono::seconds(1);
constexpr Duration kAfterAcceptError = std::chrono::milliseconds(100);  // out of descriptors
constexpr int kBacklog = 128;

auto Into(error_code& error) { return asio::redirect_error(asio::use_awaitable, error); }

IpAddress AddressOf(const asio::ip::address& address) {
  if (address.is_v4()) {
    const auto bytes = address.to_v4().to_bytes();
    return IpAddress::V4(bytes);
  }
  const asio::ip::address_v6 v6 = address.to_v6();
  const auto bytes = v6.to_bytes();
  if (v6.is_v4_mapped()) {
    return *IpAddress::FromBytes(std::span(bytes).last(4));
  }
  return IpAddress::V6(bytes);
}

HttpAnswer RefusalOf(Refusal why, const char* message) {
  return FormatAnswer(EnrolRefused{why, message}, Now().wall);
}

// What is wrong with a request that could not be read; nullopt: nobody is there to be told.
std::optional<HttpAnswer> AnswerTo(const error_code& error) {
  if (error == http::error::header_limit || error == http::error::buffer_overflow ||
      error == http::error::body_limit) {
    return RefusalOf(Refusal::kTooLarge,
                     "the request is too large: 8 KiB of header and 16 KiB of body at the most");
  }
  if (error == http::error::partial_message || error == http::error::end_of_stream ||
      error.category() == asio::error::get_ssl_category() ||
      error.category() == boost::system::system_category() ||
      error.category() == asio::error::get_misc_category()) {
    return std::nullopt;
  }
  return RefusalOf(Refusal::kBadRequest, "this is no HTTP request");
}

}  // namespace

struct HttpsServer::Impl : std::enable_shared_from_this<Impl> {
  Impl(Handler handle, const HttpsServerOptions& limits)
      : handler(std::move(handle)), options(limits), acceptor(io), ticker(io) {}

  asio::awaitable<void> Accept();
  asio::awaitable<void> Serve(tcp::socket socket, IpAddress from);
  asio::awaitable<void> Talk(Stream& stream, const IpAddress& from);
  asio::awaitable<HttpAnswer> Ask(HttpRequest request);
  asio::awaitable<void> Send(Stream& stream, HttpAnswer answer);
  asio::awaitable<void> Tick();
  bool TakePlace(const IpAddress& from);
  void GivePlace(const IpAddress& from);

  const Handler handler;
  const HttpsServerOptions options;
  std::function<void()> tick;
  asio::io_context io{1};
  std::shared_ptr<asio::ssl::context> tls;
  tcp::acceptor acceptor;
  asio::steady_timer ticker;
  size_t connections = 0;
  std::map<Prefix, size_t> by_address;
};

namespace {

Prefix PlaceOf(const IpAddress& address) { return {address, address.is_v4() ? 32u : 64u}; }

Result<std::shared_ptr<asio::ssl::context>> MakeContext(const TlsIdentity& identity) {
  try {
    auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
    if (auto shown = ShowIdentity(context->native_handle(), identity); !shown) {
      return tl::make_unexpected(shown.error());
    }
    return context;
  } catch (const std::exception& error) {
    return Fail(ErrorCode::kFailure, fmt::format("the TLS library failed: {}", error.what()));
  }
}

}  // namespace

bool HttpsServer::Impl::TakePlace(const IpAddress& from) {
  size_t& beside = by_address[PlaceOf(from)];
  if (connections >= options.most_connections || beside >= options.most_per_address) {
    if (beside == 0) {
      by_address.erase(PlaceOf(from));
    }
    return false;
  }
  ++connections;
  ++beside;
  return true;
}

void HttpsServer::Impl::GivePlace(const IpAddress& from) {
  --connections;
  const auto it = by_address.find(PlaceOf(from));
  if (--it->second == 0) {
    by_address.erase(it);
  }
}

asio::awaitable<void> HttpsServer::Impl::Accept() {
  while (acceptor.is_open()) {
    error_code error;
    tcp::socket socket = co_await acceptor.async_accept(Into(error));
    if (error) {
      asio::steady_timer pause(io, kAfterAcceptError);
      error_code ignored;
      co_await pause.async_wait(Into(ignored));
      continue;
    }
    const tcp::endpoint peer = socket.remote_endpoint(error);
    if (error) {
      continue;
    }
    const IpAddress from = AddressOf(peer.address());
    if (TakePlace(from)) {  // else the socket closes here
      asio::co_spawn(io, Serve(std::move(socket), from), asio::detached);
    }
  }
}

asio::awaitable<void> HttpsServer::Impl::Serve(tcp::socket socket, IpAddress from) {
  try {
    const auto context = tls;  // lives as long as the stream, whatever comes after it
    Stream stream(beast::tcp_stream(std::move(socket)), *context);
    beast::get_lowest_layer(stream).expires_after(options.patience);  // for everything together
    co_await Talk(stream, from);
  } catch (const std::exception& error) {
    LogDebug("enrolment port: {}: {}", from.ToString(), error.what());
  }
  GivePlace(from);
}

asio::awaitable<void> HttpsServer::Impl::Talk(Stream& stream, const IpAddress& from) {
  error_code error;
  co_await stream.async_handshake(asio::ssl::stream_base::server, Into(error));
  if (error) {
    LogDebug("enrolment port: {}: no TLS: {}", from.ToString(), error.message());
    co_return;
  }
  // Room for the longest header and a part of the body: the parser takes from it as it goes.
  beast::flat_buffer buffer(options.most_header_bytes + 4096);
  http::request_parser<http::string_body> parser;
  parser.header_limit(static_cast<uint32_t>(options.most_header_bytes));
  parser.body_limit(options.most_body_bytes);
  co_await http::async_read(stream, buffer, parser, Into(error));
  HttpAnswer answer;
  if (error) {
    auto told = AnswerTo(error);
    if (!told) {
      co_return;
    }
    answer = std::move(*told);
  } else {
    auto& message = parser.get();
    const auto method = message.method_string();
    const auto target = message.target();
    HttpRequest request{from, std::string(method.data(), method.size()),
                        std::string(target.data(), target.size()), std::move(message.body())};
    answer = co_await Ask(std::move(request));
  }
  co_await Send(stream, std::move(answer));
}

// The handler may answer later, from another thread: until then a timer waits, which the answer
// cancels.
asio::awaitable<HttpAnswer> HttpsServer::Impl::Ask(HttpRequest request) {
  struct Call {
    explicit Call(asio::io_context& context) : answered(context) {}
    asio::steady_timer answered;
    std::optional<HttpAnswer> answer;
  };
  const auto call = std::make_shared<Call>(io);
  call->answered.expires_after(options.patience);
  const std::weak_ptr<Impl> weak = weak_from_this();
  handler(request, [weak, waiting = std::weak_ptr<Call>(call)](std::function<HttpAnswer()> make) {
    if (const auto impl = weak.lock()) {
      asio::post(impl->io, [waiting, make = std::move(make)] {
        if (const auto there = waiting.lock()) {
          try {
            there->answer = make();
          } catch (const std::exception& error) {
            LogError("enrolment port: {}", error.what());
          }
          there->answered.cancel();
        }
      });
    }
  });
  error_code ignored;
  co_await call->answered.async_wait(Into(ignored));
  co_return call->answer
      ? std::move(*call->answer)
      : RefusalOf(Refusal::kUnavailable, "the collector's database is behind; try again");
}

asio::awaitable<void> HttpsServer::Impl::Send(Stream& stream, HttpAnswer answer) {
  http::response<http::string_body> response(static_cast<http::status>(answer.status), 11);
  response.set(http::field::content_type, "application/json");
  response.set(http::field::cache_control, "no-store");
  response.keep_alive(false);
  response.body() = std::move(answer.body);
  response.prepare_payload();
  error_code error;
  // A moment for the answer even if the patience for the question is just over.
  beast::get_lowest_layer(stream).expires_after(std::chrono::seconds(2));
  co_await http::async_write(stream, response, Into(error));
  co_await stream.async_shutdown(Into(error));
}

asio::awaitable<void> HttpsServer::Impl::Tick() {
  error_code error;
  while (acceptor.is_open()) {
    if (tick) {
      tick();
    }
    ticker.expires_after(kTick);
    co_await ticker.async_wait(Into(error));
  }
}

Result<std::unique_ptr<HttpsServer>> HttpsServer::Open(const HostPort& listen,
                                                       const TlsIdentity& identity, Handler handler,
                                                       const HttpsServerOptions& options) {
  auto impl = std::make_shared<Impl>(std::move(handler), options);
  auto context = MakeContext(identity);
  if (!context) {
    return tl::make_unexpected(context.error());
  }
  impl->tls = std::move(*context);
  error_code error;
  const auto address = asio::ip::make_address(listen.host, error);
  const tcp::endpoint endpoint(address, listen.port);
  const auto step = [&](auto&& work) {
    if (!error) {
      work();
    }
  };
  step([&] { impl->acceptor.open(endpoint.protocol(), error); });
  step([&] { impl->acceptor.set_option(tcp::acceptor::reuse_address(true), error); });
  if (address.is_v6()) {
    step([&] { impl->acceptor.set_option(asio::ip::v6_only(false), error); });
  }
  step([&] { impl->acceptor.bind(endpoint, error); });
  step([&] { impl->acceptor.listen(kBacklog, error); });
  if (error) {
    return Fail(
        ErrorCode::kFailure,
        fmt::format("cannot listen on {}: {} (change server.https_listen, or see who has it "
                    "with: ss -ltnp)",
                    listen.ToString(), error.message()));
  }
  return std::unique_ptr<HttpsServer>(new HttpsServer(std::move(impl)));
}

HttpsServer::~HttpsServer() { Stop(); }

uint16_t HttpsServer::port() const { return impl_->acceptor.local_endpoint().port(); }

void HttpsServer::Run(const std::function<void()>& tick) {
  impl_->tick = tick;
  asio::co_spawn(impl_->io, impl_->Accept(), asio::detached);
  asio::co_spawn(impl_->io, impl_->Tick(), asio::detached);
  impl_->io.run();
}

Result<void> HttpsServer::UseIdentity(const TlsIdentity& identity) {
  auto context = MakeContext(identity);
  if (!context) {
    return tl::make_unexpected(context.error());
  }
  asio::post(impl_->io,
             [impl = impl_, made = std::move(*context)]() mutable { impl->tls = std::move(made); });
  return {};
}

void HttpsServer::Stop() { impl_->io.stop(); }

}  // namespace parallax::collector
