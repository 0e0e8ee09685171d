// How often an address may fail before it has to wait: a token bucket per IPv4 address or IPv6 /64,
// in a table of fixed size. Pure. Only failures are charged, so that whoever does nothing wrong is
// never asked to wait; when the table is full, those who failed least lately are forgotten first.
#pragma once

#include <cstddef>
#include <map>

#include "common/ip.h"
#include "common/time.h"

namespace parallax::collector {

struct AttemptLimitOptions {
  double burst = 10;
  Duration refill = std::chrono::seconds(6);  // for one more
  size_t most_addresses = 4096;
};

class AttemptLimit {
 public:
  explicit AttemptLimit(AttemptLimitOptions options = {}) : options_(options) {}

  bool MayTry(const IpAddress& address, MonoTime now) const;
  void NoteFailure(const IpAddress& address, MonoTime now);
  size_t size() const { return buckets_.size(); }

 private:
  struct Bucket {
    double left = 0;
    MonoTime at;
  };
  double Left(const Bucket& bucket, MonoTime now) const;
  void MakeRoom(MonoTime now);

  const AttemptLimitOptions options_;
  std::map<Prefix, Bucket> buckets_;
};

}  // namespace parallax::collector
