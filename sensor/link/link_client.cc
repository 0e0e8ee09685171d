#include "sensor/link/link_client.h"

#include <utility>

#include "common/grpc_security.h"
#include "common/log.h"
#include "common/pause.h"
#include "common/siphash.h"
#include "sensor/link/backoff.h"
#include "sensor/link/link_stream.h"

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

constexpr Duration kFirstRetry = 500ms;
constexpr Duration kSlowestRetry = 15s;
// A stream that lasted this long was a good one; one that ends sooner may have been refused for
// what it said, and would be again.
constexpr Duration kSteady = 10s;

}  // namespace

LinkClient::LinkClient(LinkOptions options, Spool& spool, std::function<SensorHealth()> health,
                       std::function<void(Order)> on_order)
    : options_(std::move(options)),
      spool_(spool),
      health_(std::move(health)),
      on_order_(std::move(on_order)),
      legacy_(RandomHashKey()[0] | 1),
      last_failures_(options_.addresses.size()) {}

void LinkClient::Run() {
  RouteGrpcLog();
  Backoff backoff(kFirstRetry, kSlowestRetry, RandomHashKey()[0]);
  size_t turn = 0;
  while (!stop_.stop_requested()) {
    const HostPort& address = options_.addresses[turn];
    const MonoTime begun = Now().mono;
    LinkStream stream(address, options_, spool_, legacy_, connected_, health_, on_order_,
                      stop_.get_token());
    const LinkStream::Ending ending = stream.Run();
    connected_ = false;
    if (stop_.stop_requested()) {
      return;
    }
    if (ending.welcomed) {
      last_failures_.assign(options_.addresses.size(), {});
      if (Now().mono - begun >= kSteady) {
        backoff.Reset();
      }
    }
    if (ending.renewed) {
      continue;  // at once, with the new certificate
    }
    Report(turn, ending.why);
    if (!ending.welcomed) {
      turn = (turn + 1) % options_.addresses.size();
      if (turn != 0) {
        continue;  // the next address at once; the pause comes after the last one
      }
    }
    if (!Pause(stop_.get_token(), backoff.Next())) {
      return;
    }
  }
}

void LinkClient::Stop() {
  stop_.request_stop();
  spool_.Wake();
}

void LinkClient::Report(size_t address, const std::string& why) {
  if (last_failures_[address] != why) {
    last_failures_[address] = why;
    LogWarning("collector {}: {}; trying again", options_.addresses[address].ToString(), why);
  }
}

}  // namespace parallax::sensor
