// What `parallax-sensor probe ping|tcp|udp` prints, one record a target: JSON lines, CSV or table
// rows. Field names are a contract with scripts; fields are only ever added. Pure.
//
//   {"target":"198.51.100.7","method":"tcp","port":443,"state":"up","sent":1,"received":1,
//    "rtt_ms":{"min":0.1,"avg":0.1,"max":0.1},"late":0,"error":null,"redirect":null,"flows":null}
//   "port" is null for ICMP; "rtt_ms" is null without an answer.
//   "error":{"kind":"unreachable","router":"10.0.0.1","icmp_type":3,"icmp_code":1,
//            "detail":"host unreachable"}
//     kind: unreachable, time_exceeded, prohibited, not_sent or refused; router null if it was this
//     host. An error may stand beside answers: some probes brought the one, some the other.
//   "flows":{"count":48,"verdict":"per_flow","confidence":0.998,"changing":false,"share":0.125,
//            "share_low":0.05,"share_high":0.25,"loss":0.0,"loss_low":0.0,"loss_high":0.02,
//            "failing":[3,17]}   null with one flow, and if they were not asked
//     changing: what holds of the flows changed meanwhile; they were asked anew.
//   CSV has the same, with the failing flows between blanks in one column.
#pragma once

#include <string>
#include <string_view>

#include "common/records.h"
#include "sensor/probe/sweep.h"

namespace parallax::sensor {

enum class ProbeOutput { kTable, kJsonl, kCsv };

// "host unreachable" of type 3 code 1; "ICMP type 3 code 99" of what has no name.
std::string IcmpErrorName(Family family, uint8_t type, uint8_t code);

class SweepText {
 public:
  // `any_v6`: table columns have room for IPv6 addresses.
  SweepText(ProbeOutput output, const SweepOptions& options, bool any_v6)
      : output_(output), options_(options), any_v6_(any_v6) {}

  // What stands above the records: of tables and CSV the names of the columns.
  void Header(std::string& out) const;
  void Record(const SweepResult& result, std::string& out) const;

 private:
  void Json(const SweepResult& result, std::string& out) const;
  void Csv(const SweepResult& result, std::string& out) const;
  void Row(const SweepResult& result, std::string& out) const;

  ProbeOutput output_;
  SweepOptions options_;
  bool any_v6_;
};

}  // namespace parallax::sensor
