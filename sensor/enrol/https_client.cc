#include "sensor/enrol/https_client.h"

#include <fmt/format.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <exception>
#include <utility>

#include "common/tls_session.h"

namespace parallax::sensor {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using Stream = beast::ssl_stream<beast::tcp_stream>;

constexpr size_t kMostAnswerBytes = 64 << 10;

auto Into(error_code& error) { return asio::redirect_error(asio::use_awaitable, error); }

tl::unexpected<Error> Unreachable(const HostPort& address, const std::string& why) {
  return Fail(
      ErrorCode::kUnavailable,
      fmt::format("cannot reach the collector at {}: {}; check the address (the port is that "
                  "of server.https_listen) and the firewalls in between",
                  address.ToString(), why));
}

std::string Words(const error_code& error) {
  return error == beast::error::timeout
             ? fmt::format("no answer within {}", FormatDuration(kEnrolPatience))
             : error.message();
}

asio::awaitable<Result<HttpAnswer>> Exchange(Stream& stream, const HostPort& address,
                                             const std::string& pin, const std::string& body) {
  error_code error;
  tcp::resolver resolver(co_await asio::this_coro::executor);
  const auto found =
      co_await resolver.async_resolve(address.host, std::to_string(address.port), Into(error));
  if (error) {
    co_return Unreachable(address, error.message());
  }
  auto& transport = beast::get_lowest_layer(stream);
  transport.expires_after(kEnrolPatience);
  co_await transport.async_connect(found, Into(error));
  if (error) {
    co_return Unreachable(address, Words(error));
  }
  co_await stream.async_handshake(asio::ssl::stream_base::client, Into(error));
  if (error) {
    co_return Unreachable(address, "it does not speak TLS 1.3: " + Words(error));
  }
  if (auto checked = CheckPinned(stream.native_handle(), pin, Now().wall); !checked) {
    co_return Fail(checked.error().code,
                   fmt::format("{}: {}", address.ToString(), checked.error().message));
  }
  http::request<http::string_body> request(
      http::verb::post, beast::string_view(kEnrolPath.data(), kEnrolPath.size()), 11);
  request.set(http::field::host, address.ToString());
  request.set(http::field::content_type, "application/json");
  request.keep_alive(false);
  request.body() = body;
  request.prepare_payload();
  co_await http::async_write(stream, request, Into(error));
  if (error) {
    co_return Unreachable(address, Words(error));
  }
  beast::flat_buffer buffer(kMostAnswerBytes);
  http::response_parser<http::string_body> parser;
  parser.body_limit(kMostAnswerBytes);
  co_await http::async_read(stream, buffer, parser, Into(error));
  if (error) {
    co_return Unreachable(address, "no whole answer: " + Words(error));
  }
  co_return HttpAnswer{parser.get().result_int(), std::move(parser.get().body())};
}

}  // namespace

Result<HttpAnswer> PostToCollector(const HostPort& address, const std::string& pin,
                                   const std::string& body) {
  try {
    asio::io_context io(1);
    asio::ssl::context context(asio::ssl::context::tls_client);
    if (auto prepared = PrepareToCheck(context.native_handle()); !prepared) {
      return tl::make_unexpected(prepared.error());
    }
    Stream stream(beast::tcp_stream(io), context);
    Result<HttpAnswer> answer = Unreachable(address, "nothing happened");
    std::exception_ptr thrown;
    asio::co_spawn(io, Exchange(stream, address, pin, body),
                   [&](std::exception_ptr error, Result<HttpAnswer> outcome) {
                     thrown = std::move(error);
                     answer = std::move(outcome);
                   });
    io.run();
    if (thrown) {
      std::rethrow_exception(thrown);
    }
    return answer;
  } catch (const std::exception& error) {
    return Unreachable(address, error.what());
  }
}

}  // namespace parallax::sensor
