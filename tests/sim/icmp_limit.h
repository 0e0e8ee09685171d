// How a router limits the ICMP errors that it sends, after Linux: a token bucket for each address
// that errors go to, and one for all (icmp_ratelimit, icmp_msgs_per_sec, icmp_msgs_burst).
#pragma once

#include <unordered_map>

#include "common/ip.h"
#include "common/time.h"

namespace parallax::sim {

class IcmpLimit {
 public:
  struct Options {
    double per_second = 1;  // to one address
    double burst = 6;
    double all_per_second = 1000;
    double all_burst = 50;
  };

  IcmpLimit() : IcmpLimit(Options{}) {}
  explicit IcmpLimit(const Options& options) : options_(options) {}

  // Whether one more may go to `to`; counts it if so.
  bool Allows(const IpAddress& to, MonoTime now);

 private:
  struct Bucket {
    double tokens = 0;
    MonoTime filled;
  };
  static void Fill(Bucket& bucket, double per_second, double burst, MonoTime now);

  Options options_;
  Bucket all_;
  bool started_ = false;
  std::unordered_map<IpAddress, Bucket> peers_;
};

}  // namespace parallax::sim
