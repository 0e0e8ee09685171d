// What `parallax-sensor probe trace` prints: a JSON line a target, CSV with a row a node, or a
// table for people. Field names are a contract with scripts; fields are only ever added. Pure.
//
//   {"target":"198.51.100.7","method":"icmp","port":null,"state":"up","sent":3,"received":3,
//    "rtt_ms":{...},"error":null,"redirect":null,
//    "path":{"id":"f9c1..16 hex digits","end":"reached","flows":1,"confidence":null,
//      "changed":false,"hops":[
//      {"ttl":1,"state":"answering","sent":3,"answered":3,"per_packet":false,"nodes":[
//        {"address":"10.0.0.1","sent":3,"received":3,"late":0,"rtt_ms":{...},"icmp_type":11,
//         "icmp_code":0,"reply_ttl":64,"quoted_ttl":1,"mpls":[{"label":16,"tc":0,"ttl":1}],
//         "flags":["zero_ttl","nat","rate_limited"]}],"former":[]}],
//      "edges":[{"ttl":1,"from":"10.0.0.1","to":"10.0.1.1"}]}}
//   "transit":{"verdict":"proven","reason":"router_beyond","hop_ttl":2,"witness":"10.2.0.2",
//    "witness_ttl":3,"sent":4} stands beside "path" if a hop to get past was named.
//   "confidence" of several flows: that no way was missed.
//   "sent" and "received" count the probes that the target should have answered: the only word on
//   loss. A silent hop has no nodes. "state" as of probe ping; a routing loop is "time_exceeded",
//   and an interrupted trace "unknown".
#pragma once

#include <string>

#include "sensor/probe/trace/trace_client.h"
#include "sensor/probe_text.h"

namespace parallax::sensor {

SweepState StateOf(const Path& path);

class TraceText {
 public:
  explicit TraceText(ProbeOutput output) : output_(output) {}

  void Header(std::string& out) const;
  void Record(const TraceResult& result, std::string& out) const;

  // The table of a trace, finished or not.
  static void Table(const Path& path, std::string& out);

 private:
  ProbeOutput output_;
};

}  // namespace parallax::sensor
