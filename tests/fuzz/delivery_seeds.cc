// Writes seeds for spool_fuzz and batch_fuzz into a folder.
//
//   delivery_seeds spool|batch FOLDER
#include <cstdio>
#include <fstream>
#include <string>

#include "sensor/link/convert.h"
#include "sensor/spool/spool_format.h"
#include "tests/unit/sensor/link/batch_of.h"

namespace parallax::sensor {
namespace {

std::vector<Record> Samples() {
  Attempt attempt;
  attempt.client.address = *IpAddress::Parse("198.51.100.7");
  attempt.server.address = *IpAddress::Parse("192.0.2.25");
  attempt.outcome = AttemptOutcome::kHalfOpen;
  attempt.rule = "syn_ack_repeated";
  attempt.interface = "eth0";
  ProbeReport report;
  report.target = attempt.client.address;
  report.tries.resize(2);
  PathReport path;
  path.target = attempt.client.address;
  path.end = TraceEnd::kReached;
  path.hops = {{attempt.server.address}, {}, {attempt.client.address}};
  ServerReport server;
  server.server = attempt.server.address;
  server.half_open_known = 0.5;
  Announcement announcement;
  announcement.speaker = announcement.gateway = *IpAddress::Parse("fe80::1");
  announcement.prefix = *Prefix::Parse("::/0");
  return {attempt, report,       path,
          server,  announcement, Gap{RecordClass::kBulk, 7, 1, 9, GapReason::kFull, {}, {}}};
}

void Write(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

void WriteSpool(const std::string& folder) {
  std::string records;
  uint64_t sequence = 0;
  for (const Record& record : Samples()) {
    EncodeRecord(++sequence, {MonoTime(Duration(5)), WallTime(Duration(6))}, Encode(record),
                 records);
  }
  const SegmentHeader header{RecordClass::kBulk, 1, 1, 3};
  Write(folder + "/records", std::string(1, 0) + records);
  Write(folder + "/torn", std::string(1, 0) + records.substr(0, records.size() - 9));
  Write(folder + "/segment", std::string(1, 1) + EncodeHeader(header) + records);
  Write(folder + "/acked", std::string(1, 2) + EncodeAcked({4, true, {{1, 5}, {2, 6}}}));
  Write(folder + "/name", std::string(1, 3) + SegmentName(header));
  Write(folder + "/header", std::string(1, 3) + EncodeHeader(header));
}

void WriteBatch(const std::string& folder) {
  v1::FromSensor message;
  std::vector<Record> rows = Samples();
  rows.pop_back();  // rows are for collectors that know no gaps
  *message.mutable_batch() = BatchOf(1, rows);
  Write(folder + "/rows", message.SerializeAsString());
  *message.mutable_batch() = BatchOf(9, {Samples()[0], Samples()[0]}, BatchForm::kColumns);
  message.mutable_batch()->set_epoch(5);
  Write(folder + "/columns", message.SerializeAsString());
  *message.mutable_hello() = ToProto(SensorHello{3, "1", {1, 2}, {}, {*Prefix::Parse("::/0")}});
  Write(folder + "/hello", message.SerializeAsString());
  SensorHealth health;
  health.interfaces = {{"eth0", "up", 1, 2}};
  *message.mutable_health() = ToProto(health);
  Write(folder + "/health", message.SerializeAsString());
}

}  // namespace
}  // namespace parallax::sensor

int main(int argc, char** argv) {
  const std::string what = argc == 3 ? argv[1] : "";
  if (what == "spool") {
    parallax::sensor::WriteSpool(argv[2]);
  } else if (what == "batch") {
    parallax::sensor::WriteBatch(argv[2]);
  } else {
    std::fputs("usage: delivery_seeds spool|batch FOLDER\n", stderr);
    return 2;
  }
  return 0;
}
