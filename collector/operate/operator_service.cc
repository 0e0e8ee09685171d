#include "collector/operate/operator_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "collector/operate/operator_convert.h"
#include "collector/operate/operator_convert_trust.h"
#include "collector/operate/operator_status.h"
#include "common/grpc_security.h"

namespace parallax::collector {
namespace {

constexpr uint32_t kMostItems = 100'000;
constexpr uint32_t kDefaultTop = 20;
constexpr uint32_t kDefaultPaths = 500;
constexpr uint64_t kEventsPerPoll = 100;
constexpr size_t kIdleReaders = 4;
constexpr Duration kDefaultWindow = std::chrono::minutes(5);
constexpr Duration kLongestWindow = std::chrono::hours(24 * 366);

uint32_t Limit(uint32_t asked, uint32_t fallback) {
  return std::min(asked == 0 ? fallback : asked, kMostItems);
}

grpc::Status NotFound(std::string message) {
  return {grpc::StatusCode::NOT_FOUND, std::move(message)};
}

grpc::Status Invalid(std::string message) {
  return {grpc::StatusCode::INVALID_ARGUMENT, std::move(message)};
}

Duration Window(uint64_t since_nanos) {
  const auto longest = static_cast<uint64_t>(kLongestWindow.count());
  return since_nanos == 0 ? kDefaultWindow : Duration(std::min(since_nanos, longest));
}

std::optional<SynKey> ParseSynKey(std::string_view by) {
  if (by.empty() || by == "src") {
    return SynKey::kSource;
  }
  if (by == "dst") {
    return SynKey::kDestination;
  }
  return by == "port" ? std::optional(SynKey::kPort) : std::nullopt;
}

}  // namespace

OperatorService::OperatorService(OperatorServiceOptions options)
    : options_(std::move(options)),
      readers_(options_.database_path, options_.time_limit, kIdleReaders) {}

void OperatorService::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
}

grpc::Status OperatorService::GetStatus(grpc::ServerContext*, const v1::StatusRequest*,
                                        v1::Status* reply) {
  auto reader = readers_.Borrow();
  if (!reader) {
    return ToStatus(reader.error());
  }
  const WallTime now = options_.clock();
  auto counts = (*reader)->Status(now);
  if (!counts) {
    return ToStatus(counts.error());
  }
  ToProto(*counts, reply);
  ToProto(LookAtDisk(options_.database_path), reply);
  if (options_.daemon) {
    ToProto(options_.daemon(), reply);
  }
  reply->set_version(options_.version);
  reply->set_started_at(ToProto(options_.started_at));
  reply->set_answered_at(ToProto(now));
  return grpc::Status::OK;
}

grpc::Status OperatorService::ListSensors(grpc::ServerContext*,
                                          const v1::ListSensorsRequest* request,
                                          v1::SensorList* reply) {
  auto reader = readers_.Borrow();
  if (!reader) {
    return ToStatus(reader.error());
  }
  const bool one = !request->name().empty();
  auto sensors = (*reader)->Sensors(one ? std::optional(request->name()) : std::nullopt);
  if (!sensors) {
    return ToStatus(sensors.error());
  }
  auto trust = (*reader)->Trust();
  if (!trust) {
    return ToStatus(trust.error());
  }
  for (const auto& sensor : *sensors) {
    ToProto(sensor, reply->add_items());
  }
  AddTrust(*trust, request->name(), reply);
  if (one && reply->items().empty()) {
    return NotFound(fmt::format("no sensor named {}", request->name()));
  }
  reply->set_answered_at(ToProto(options_.clock()));
  return grpc::Status::OK;
}

grpc::Status OperatorService::ListTargets(grpc::ServerContext*,
                                          const v1::ListTargetsRequest* request,
                                          v1::TargetList* reply) {
  std::optional<IpAddress> address;
  if (!request->address().empty()) {
    address = IpAddress::Parse(request->address());
    if (!address) {
      return Invalid(fmt::format("{}: not an IPv4 or IPv6 address", request->address()));
    }
  }
  auto reader = readers_.Borrow();
  if (!reader) {
    return ToStatus(reader.error());
  }
  auto page = (*reader)->Targets(address, Limit(request->limit(), kMostItems));
  if (!page) {
    return ToStatus(page.error());
  }
  if (address && page->items.empty()) {
    return NotFound(fmt::format("{} is not a target", address->ToString()));
  }
  for (const auto& target : page->items) {
    ToProto(target, reply->add_items());
  }
  reply->set_total(page->total);
  reply->set_answered_at(ToProto(options_.clock()));
  return grpc::Status::OK;
}

grpc::Status OperatorService::ListIncidents(grpc::ServerContext*,
                                            const v1::ListIncidentsRequest* request,
                                            v1::IncidentList* reply) {
  IncidentFilter filter;
  if (!request->id().empty()) {
    filter.number = ParseIncidentId(request->id());
    if (!filter.number) {
      return Invalid(fmt::format("{}: not an incident id, such as INC-7", request->id()));
    }
  }
  if (request->state() == "live") {
    filter.live_only = true;
  } else if (!request->state().empty()) {
    filter.state = ParseIncidentState(request->state());
    if (!filter.state) {
      return Invalid(fmt::format("{}: not a state of incidents", request->state()));
    }
  }
  auto reader = readers_.Borrow();
  if (!reader) {
    return ToStatus(reader.error());
  }
  auto page = (*reader)->Incidents(filter, Limit(request->limit(), kMostItems));
  if (!page) {
    return ToStatus(page.error());
  }
  if (filter.number && page->items.empty()) {
    return NotFound(fmt::format("no incident {}", IncidentId(*filter.number)));
  }
  for (const auto& incident : page->items) {
    ToProto(incident, reply->add_items());
  }
  reply->set_total(page->total);
  reply->set_last_event(page->last_event);
  reply->set_answered_at(ToProto(options_.clock()));
  return grpc::Status::OK;
}

grpc::Status OperatorService::TopSyns(grpc::ServerContext*, const v1::TopSynsRequest* request,
                                      v1::SynTop* reply) {
  const auto key = ParseSynKey(request->by());
  if (!key) {
    return Invalid(fmt::format("{}: not one of src, dst, port", request->by()));
  }
  auto reader = readers_.Borrow();
  if (!reader) {
    return ToStatus(reader.error());
  }
  const WallTime now = options_.clock();
  auto page = (*reader)->TopSyns(*key, now - Window(request->since_nanos()),
                                 Limit(request->limit(), kDefaultTop));
  if (!page) {
    return ToStatus(page.error());
  }
  for (const auto& row : page->items) {
    ToProto(row, reply->add_items());
  }
  reply->set_total(page->total);
  reply->set_truncated(page->truncated);
  reply->set_answered_at(ToProto(now));
  return grpc::Status::OK;
}

grpc::Status OperatorService::ListSynServers(grpc::ServerContext*,
                                             const v1::ListSynServersRequest* request,
                                             v1::SynServerList* reply) {
  auto reader = readers_.Borrow();
  if (!reader) {
    return ToStatus(reader.error());
  }
  const WallTime now = options_.clock();
  auto page = (*reader)->LatestServerReports(now - Window(request->since_nanos()),
                                             Limit(request->limit(), kMostItems));
  if (!page) {
    return ToStatus(page.error());
  }
  for (const auto& view : page->items) {
    ToProto(view, reply->add_items());
  }
  reply->set_total(page->total);
  reply->set_truncated(page->truncated);
  reply->set_answered_at(ToProto(now));
  return grpc::Status::OK;
}

grpc::Status OperatorService::ListPaths(grpc::ServerContext*, const v1::ListPathsRequest* request,
                                        v1::PathList* reply) {
  const auto target = IpAddress::Parse(request->target());
  if (!target) {
    return Invalid(fmt::format("{}: not an IPv4 or IPv6 address", request->target()));
  }
  auto reader = readers_.Borrow();
  if (!reader) {
    return ToStatus(reader.error());
  }
  const bool one = !request->sensor().empty();
  auto page = (*reader)->Paths(*target, one ? std::optional(request->sensor()) : std::nullopt,
                               Limit(request->limit(), kDefaultPaths));
  if (!page) {
    return ToStatus(page.error());
  }
  if (page->items.empty()) {
    return NotFound(fmt::format("no way to {}{} has been traced", target->ToString(),
                                one ? " from " + request->sensor() : std::string()));
  }
  for (const auto& view : page->items) {
    ToProto(view, reply->add_items());
  }
  reply->set_total(page->total);
  reply->set_answered_at(ToProto(options_.clock()));
  return grpc::Status::OK;
}

grpc::Status OperatorService::WatchIncidents(grpc::ServerContext* context,
                                             const v1::WatchIncidentsRequest* request,
                                             grpc::ServerWriter<v1::IncidentEvent>* writer) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) {
      return {grpc::StatusCode::UNAVAILABLE, "the collector is shutting down"};
    }
    if (watchers_ >= options_.most_watchers) {
      return {grpc::StatusCode::RESOURCE_EXHAUSTED,
              fmt::format("{} watchers already, no more are served; end one of them",
                          options_.most_watchers)};
    }
    ++watchers_;
  }
  const grpc::Status status = Watch(context, request->after_event(), writer);
  const std::lock_guard lock(mutex_);
  --watchers_;
  return status;
}

grpc::Status OperatorService::Watch(grpc::ServerContext* context, uint64_t after,
                                    grpc::ServerWriter<v1::IncidentEvent>* writer) {
  auto reader = readers_.Borrow();
  if (!reader) {
    return ToStatus(reader.error());
  }
  if (after == 0) {
    auto live = (*reader)->Incidents({std::nullopt, std::nullopt, true}, kMostItems);
    if (!live) {
      return ToStatus(live.error());
    }
    std::ranges::reverse(live->items);  // oldest first, as events are
    after = live->last_event;
    for (auto& incident : live->items) {
      v1::IncidentEvent event;
      ToProto({live->last_event, {"current", incident.updated_at, std::move(incident)}}, &event);
      if (!writer->Write(event)) {
        return grpc::Status::OK;
      }
    }
  }
  do {
    if (const grpc::Status may = MayGoOn(*context); !may.ok()) {
      return may;
    }
    auto events = (*reader)->EventsAfter(after, kEventsPerPoll);
    while (events && !events->empty()) {
      for (const auto& view : *events) {
        v1::IncidentEvent event;
        ToProto(view, &event);
        if (!writer->Write(event)) {
          return grpc::Status::OK;
        }
        after = view.event;
      }
      events = (*reader)->EventsAfter(after, kEventsPerPoll);
    }
    if (!events) {
      return ToStatus(events.error());
    }
  } while (WaitForNextPoll() && !context->IsCancelled());
  return {grpc::StatusCode::UNAVAILABLE, "the collector is shutting down"};
}

grpc::Status OperatorService::MayGoOn(const grpc::ServerContext& context) const {
  const auto auth = context.auth_context();
  const std::string shown = auth ? PeerCertificate(*auth) : std::string();
  // None was shown on the Unix socket, which file permissions guard.
  return shown.empty() || !options_.may_watch ? grpc::Status::OK : options_.may_watch(shown);
}

bool OperatorService::stopping() {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

bool OperatorService::WaitForNextPoll() {
  std::unique_lock lock(mutex_);
  return !changed_.wait_for(lock, options_.watch_poll, [&] { return stopping_; });
}

}  // namespace parallax::collector
