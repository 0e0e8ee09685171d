// Whether the answers of a server, and the acknowledgements to it, can be seen from here at all.
// Where the way back does not pass the sensor, a connection looks like a SYN and nothing more: its
// client does not repeat it, because it was answered. At a server that is down, clients repeat
// theirs. Fixed memory (40 KiB); old evidence fades, halved every minute. Pure; one thread.
#pragma once

#include <cstdint>
#include <vector>

#include "common/ip.h"
#include "common/siphash.h"
#include "common/time.h"

namespace parallax::sensor {

class AnswerSight {
 public:
  explicit AnswerSight(const HashKey& key);

  void Answered(const IpAddress& server, MonoTime now);
  // A SYN of this client was not repeated, and no answer seen.
  void OnlyOnce(const IpAddress& server, const IpAddress& client, MonoTime now);
  void Repeated(const IpAddress& server, MonoTime now);
  // One end of a connection to it was seen to go on after the SYN-ACK.
  void Acknowledged(const IpAddress& server, MonoTime now);

  // No answer of this server seen, several clients content without one, four for each that is not.
  bool IsOneWay(const IpAddress& server, MonoTime now);
  // Several connections to this server were seen to go on: one that is not, did not.
  bool ShowsAcknowledgements(const IpAddress& server, MonoTime now);

 private:
  static constexpr size_t kWays = 4;
  struct Entry {
    uint32_t tag = 0;  // 0: free
    uint32_t last_client = 0;
    int32_t minute = 0;
    uint16_t answered = 0;
    uint16_t only_once = 0;  // changes of client, so that one scanner does not count as many
    uint16_t repeated = 0;
    uint16_t acknowledged = 0;
  };

  Entry& Of(const IpAddress& server, MonoTime now);

  const HashKey key_;
  std::vector<Entry> entries_;
};

}  // namespace parallax::sensor
