// Probes that operators ask for.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "collector/operate/operator_convert.h"
#include "collector/operate/operator_convert_trust.h"
#include "collector/operate/operator_service.h"
#include "collector/operate/operator_status.h"
#include "collector/operate/probe_desk.h"
#include "common/log.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;

constexpr Duration kBetween = 1s;     // tries
constexpr Duration kTimeout = 1s;     // of a try
constexpr Duration kOnTheWay = 3s;    // order and report, each over a link that may be busy
constexpr Duration kLongTrace = 25s;  // of 64 hops that are silent but for the last
constexpr Duration kLook = 200ms;     // how often it is seen that nobody waits any more

struct Wish {
  Order order;
  Duration takes{};
};

Result<Wish> ReadWish(const v1::ProbeRequest& request) {
  const auto target = IpAddress::Parse(request.target());
  if (!target) {
    return Fail(ErrorCode::kUsage,
                fmt::format("{}: not an IPv4 or IPv6 address", request.target()));
  }
  const bool trace = request.method().starts_with("trace-");
  const std::string method = request.method().substr(trace ? 6 : 0);
  ProbeTry one;
  one.method = method == "udp"   ? ProbeMethod::kUdp
               : method == "tcp" ? ProbeMethod::kTcpSyn
                                 : ProbeMethod::kIcmpEcho;
  if (method != ToString(one.method)) {
    return Fail(ErrorCode::kUsage, fmt::format("{}: not a way to probe", request.method()));
  }
  const bool needs_port = one.method != ProbeMethod::kIcmpEcho;
  if (request.port() > 65'535 || (request.port() == 0) == needs_port) {
    return Fail(ErrorCode::kUsage,
                needs_port ? "a port from 1 to 65535 is needed" : "icmp has no port");
  }
  one.port = static_cast<uint16_t>(request.port());
  if (trace) {
    return Wish{PathOrder{0, *target, one}, kLongTrace};
  }
  const uint64_t count = std::max(1u, request.count());
  const uint64_t flows = std::max(1u, request.flows());
  if (count > kMaxTries || flows > kMaxTries || count * flows > kMaxTries) {
    return Fail(ErrorCode::kUsage,
                fmt::format("{} probes in {} flows: no more than {} in all are sent from a sensor",
                            count, flows, kMaxTries));
  }
  ProbeOrder order;
  order.target = *target;
  order.spacing = kBetween / static_cast<int64_t>(flows);
  order.timeout = kTimeout;
  order.every = true;
  for (uint64_t i = 0; i < count; ++i) {
    for (uint16_t flow = 0; flow < flows; ++flow) {
      one.flow = flow;
      order.tries.push_back(one);
    }
  }
  const auto tries = static_cast<int64_t>(order.tries.size());
  const Duration takes = order.spacing * (tries - 1) + kTimeout;
  return Wish{std::move(order), takes};
}

std::string StateOf(const ProbeReport& report) {
  const bool up = std::ranges::any_of(
      report.tries, [](const ProbeTryResult& one) { return one.state == ProbeState::kAnswered; });
  if (up || report.tries.empty()) {
    return up ? "up" : "not_sent";
  }
  const ProbeState last = report.tries.back().state;
  return last == ProbeState::kSilent ? "down" : std::string(ToString(last));
}

void Fill(const ProbeReport& report, v1::ProbeAnswer* out) {
  out->set_state(StateOf(report));
  Duration least = Duration::max();
  Duration most{};
  Duration sum{};
  for (const ProbeTryResult& one : report.tries) {
    const bool sent = one.state != ProbeState::kNotSent && one.state != ProbeState::kRefused;
    out->set_sent(out->sent() + (sent ? 1 : 0));
    if (one.state == ProbeState::kAnswered) {
      out->set_received(out->received() + 1);
      least = std::min(least, one.rtt);
      most = std::max(most, one.rtt);
      sum += one.rtt;
    } else if (out->error().empty()) {
      out->set_error(one.detail);
      if (one.reporter) {
        out->set_reporter(one.reporter->ToString());
      }
    }
  }
  if (out->received() > 0) {
    out->set_rtt_min_ms(ToMillis(least));
    out->set_rtt_avg_ms(ToMillis(sum) / out->received());
    out->set_rtt_max_ms(ToMillis(most));
  }
}

void Fill(const SensorName& sensor, const PathReport& report, WallTime now, v1::ProbeAnswer* out) {
  out->set_state(std::string(ToString(report.end)));
  ToProto(PathView{sensor, now, false, report}, out->mutable_path());
}

}  // namespace

Result<OperatorService::Asked> OperatorService::WhomToAsk(const v1::ProbeRequest& request) {
  v1::SensorList all;
  {
    auto reader = readers_.Borrow();
    if (!reader) {
      return tl::make_unexpected(reader.error());
    }
    const auto sensors = (*reader)->Sensors(std::nullopt);
    const auto trust = (*reader)->Trust();
    if (!sensors || !trust) {
      return tl::make_unexpected(sensors ? trust.error() : sensors.error());
    }
    for (const SensorRecord& sensor : *sensors) {
      ToProto(sensor, all.add_items());
    }
    AddTrust(*trust, "", &all);
  }
  Asked asked;
  for (const v1::Sensor& sensor : all.items()) {
    if (sensor.state() == "connected" &&
        (request.from().empty() ||
         std::ranges::find(request.from(), sensor.name()) != request.from().end())) {
      asked.groups.emplace(sensor.name(), sensor.group());
    }
  }
  for (const std::string& name : request.from()) {
    const auto known =
        std::ranges::find(all.items(), name, [](const v1::Sensor& one) { return one.name(); });
    if (known == all.items().end()) {
      return Fail(ErrorCode::kNotFound, fmt::format("no sensor named {}", name));
    }
    if (!asked.groups.contains(name)) {
      asked.away.emplace(name, known->state());
    }
  }
  return asked;
}

grpc::Status OperatorService::Probe(grpc::ServerContext* context, const v1::ProbeRequest* request,
                                    grpc::ServerWriter<v1::ProbeAnswer>* writer) {
  if (options_.probes == nullptr) {
    return {grpc::StatusCode::UNIMPLEMENTED, "this collector asks no sensor for probes"};
  }
  auto wish = ReadWish(*request);
  if (!wish) {
    return ToStatus(wish.error());
  }
  const IpAddress target = std::visit([](const auto& kind) { return kind.target; }, wish->order);
  if (options_.may_probe && !options_.may_probe(target)) {
    return {grpc::StatusCode::PERMISSION_DENIED,
            fmt::format("{} is in targets.deny of this collector", target.ToString())};
  }
  const auto asked = WhomToAsk(*request);
  if (!asked) {
    return ToStatus(asked.error());
  }
  std::vector<SensorName> sensors;
  for (const auto& [name, group] : asked->groups) {
    sensors.push_back(name);
  }
  const auto number = static_cast<uint32_t>(sensors.size() + asked->away.size());
  const auto write = [&](v1::ProbeAnswer& answer, const SensorName& sensor) {
    answer.set_sensor(sensor);
    answer.set_asked(number);
    answer.set_target(target.ToString());
    answer.set_method(request->method());
    return writer->Write(answer);
  };
  for (const auto& [name, state] : asked->away) {
    v1::ProbeAnswer answer;
    answer.set_state("no_answer");
    answer.set_error("is " + state);
    if (!write(answer, name)) {
      return grpc::Status::OK;
    }
  }
  if (sensors.empty()) {
    return number > 0 ? grpc::Status::OK
                      : grpc::Status(grpc::StatusCode::UNAVAILABLE, "no sensor is connected");
  }
  const auto question = options_.probes->Ask(wish->order, sensors);
  if (!question) {
    return ToStatus(question.error());
  }
  LogInfo("{} probes {} ({}) from {} sensors", CallerOf(context, request->asked_by()),
          target.ToString(), request->method(), sensors.size());
  const MonoTime deadline = Now().mono + wish->takes + kOnTheWay;
  auto missing = asked->groups;
  while (!missing.empty() && !context->IsCancelled() && !stopping() && Now().mono < deadline) {
    const auto heard =
        options_.probes->Next(*question, std::min<MonoTime>(deadline, Now().mono + kLook));
    if (!heard) {
      continue;
    }
    v1::ProbeAnswer answer;
    if (const auto* probed = std::get_if<ProbeReport>(&heard->report)) {
      Fill(*probed, &answer);
    } else {
      Fill(heard->sensor, std::get<PathReport>(heard->report), options_.clock(), &answer);
    }
    answer.set_group(missing[heard->sensor]);
    missing.erase(heard->sensor);
    if (!write(answer, heard->sensor)) {
      break;
    }
  }
  options_.probes->Forget(*question);
  for (const auto& [name, group] : missing) {
    v1::ProbeAnswer answer;
    answer.set_state("no_answer");
    answer.set_group(group);
    answer.set_error("nothing was heard of it in time");
    write(answer, name);
  }
  return grpc::Status::OK;
}

}  // namespace parallax::collector
