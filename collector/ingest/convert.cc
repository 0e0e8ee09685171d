#include "collector/ingest/convert.h"

#include <fmt/format.h>

#include <algorithm>

#include "collector/ingest/convert_columns.h"
#include "collector/ingest/convert_record.h"

namespace parallax::collector {
namespace {

constexpr size_t kMostRecords = 1'000;
constexpr int kMostEpochs = 300;
constexpr int kMostAddresses = 64;
constexpr int kMostInterfaces = 64;
constexpr int kMostGateways = 16;

std::string Bytes(const IpAddress& address) {
  const auto bytes = address.bytes();
  return std::string(bytes.begin(), bytes.end());
}

v1::ProbeMethod ToProto(ProbeMethod method) {
  switch (method) {
    case ProbeMethod::kIcmpEcho:
      return v1::PROBE_METHOD_ICMP_ECHO;
    case ProbeMethod::kTcpSyn:
      return v1::PROBE_METHOD_TCP_SYN;
    case ProbeMethod::kUdp:
      return v1::PROBE_METHOD_UDP;
  }
  return v1::PROBE_METHOD_UNSPECIFIED;
}

void Fill(const ProbeTry& attempt, v1::ProbeTry* out) {
  out->set_method(ToProto(attempt.method));
  out->set_port(attempt.port);
  out->set_flow(attempt.flow);
}

}  // namespace

Result<SensorHello> FromProto(const v1::Hello& hello) {
  const uint32_t highest = std::max(hello.protocol(), hello.highest_protocol());
  if (highest < kLeastLinkProtocol || hello.protocol() > kLinkProtocol) {
    return Fail(ErrorCode::kFailure,
                fmt::format("link protocol {} is not spoken here (this collector speaks {} to {}); "
                            "upgrade the older side",
                            hello.protocol(), kLeastLinkProtocol, kLinkProtocol));
  }
  SensorHello out;
  out.protocol = std::min(highest, kLinkProtocol);
  out.version = ReadText(hello.version());
  if (hello.epochs_size() > kMostEpochs) {
    return Fail(ErrorCode::kFailure, "a hello with far too many epochs");
  }
  out.epochs = {hello.epoch()};
  out.epochs.insert(out.epochs.end(), hello.epochs().begin(), hello.epochs().end());
  for (int i = 0; i < std::min(hello.addresses_size(), kMostAddresses); ++i) {
    if (const auto address = ReadAddress(hello.addresses(i))) {
      out.addresses.push_back(*address);
    }
  }
  for (int i = 0; i < std::min(hello.local_networks_size(), kMostAddresses); ++i) {
    if (const auto prefix = ReadPrefix(hello.local_networks(i))) {
      out.local_networks.push_back(*prefix);
    }
  }
  return out;
}

SensorHealth FromProto(const v1::Health& health) {
  SensorHealth out;
  for (int i = 0; i < std::min(health.interfaces_size(), kMostInterfaces); ++i) {
    const v1::InterfaceHealth& from = health.interfaces(i);
    out.interfaces.push_back({ReadText(from.name()), ReadText(from.state()),
                              from.packets_received(), from.packets_dropped()});
  }
  for (int i = 0; i < std::min(health.gateways_size(), kMostGateways); ++i) {
    const v1::GatewayHealth& from = health.gateways(i);
    if (const auto address = ReadAddress(from.address())) {
      const Reach reach = from.reach() == v1::REACH_UP     ? Reach::kUp
                          : from.reach() == v1::REACH_DOWN ? Reach::kDown
                                                           : Reach::kUnknown;
      out.gateways.push_back({*address, reach, from.asked(), from.answered()});
    }
  }
  out.syns_seen = health.syns_seen();
  out.packets_dropped = health.packets_dropped();
  out.probes_sent = health.probes_sent();
  out.probes_refused = health.probes_refused();
  out.spool_records = health.spool_records();
  out.spool_bytes = health.spool_bytes();
  out.records_dropped = health.records_dropped();
  out.attempts_evicted = health.attempts_evicted();
  out.segments_unsampled = health.segments_unsampled();
  out.probing = health.probing();
  out.probing_problem = ReadText(health.probing_problem());
  out.spool_problem = ReadText(health.spool_problem());
  if (health.said_at() != 0 && health.said_at() <= kLatestTime) {
    out.said_at = FromUnixNanos(static_cast<int64_t>(health.said_at()));
  }
  return out;
}

Result<ReadBatch> FromProto(const v1::Batch& batch) {
  const bool columns = batch.has_attempts();
  const size_t count =
      columns ? batch.attempts().families().size() : static_cast<size_t>(batch.records_size());
  // Of what comes in one message, numbers of that size cannot overflow.
  if (count == 0 || batch.first_sequence() == 0 || batch.first_sequence() > INT64_MAX - count) {
    return Fail(ErrorCode::kFailure,
                count == 0 ? "an empty batch" : "batch with a sequence out of range");
  }
  ReadBatch out;
  out.first_sequence = batch.first_sequence();
  out.last_sequence = batch.first_sequence() + count - 1;
  const auto refuse = [&](std::string why) {
    out.refused = count;
    out.complaint = std::move(why);
  };
  if (count > kMostRecords) {
    refuse(fmt::format("batch of {} records (1 to {} are accepted)", count, kMostRecords));
    return out;
  }
  if (columns && batch.records_size() > 0) {
    refuse("batch of rows and columns");
    return out;
  }
  std::optional<ColumnReader> reader;
  if (columns) {
    auto opened = ColumnReader::Open(batch.attempts());
    if (!opened) {
      refuse(opened.error().message);
      return out;
    }
    reader = *opened;
  }
  bool in_run = false;
  for (size_t i = 0; i < count; ++i) {
    Result<Record> record =
        columns ? reader->Next() : ReadRecord(batch.records(static_cast<int>(i)));
    if (!record) {
      if (out.refused++ == 0) {
        out.complaint = record.error().message;
      }
      in_run = false;
      continue;
    }
    if (!in_run) {
      out.runs.push_back({batch.first_sequence() + i, {}});
      out.runs.back().records.reserve(count - i);
      in_run = true;
    }
    out.runs.back().records.push_back(std::move(*record));
  }
  return out;
}

v1::Order ToProto(const Order& order) {
  v1::Order out;
  if (const auto* path = std::get_if<PathOrder>(&order)) {
    out.mutable_path()->set_id(path->id);
    out.mutable_path()->set_target(Bytes(path->target));
    Fill(path->attempt, out.mutable_path()->mutable_attempt());
    return out;
  }
  const auto& probe = std::get<ProbeOrder>(order);
  v1::ProbeOrder* to = out.mutable_probe();
  to->set_id(probe.id);
  to->set_target(Bytes(probe.target));
  for (const ProbeTry& attempt : probe.tries) {
    Fill(attempt, to->add_tries());
  }
  to->set_start_after_nanos(static_cast<uint64_t>(probe.start_after.count()));
  to->set_spacing_nanos(static_cast<uint64_t>(probe.spacing.count()));
  to->set_timeout_nanos(static_cast<uint64_t>(probe.timeout.count()));
  to->set_every(probe.every);
  return out;
}

}  // namespace parallax::collector
