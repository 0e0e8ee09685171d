#include "sensor/capture/host_counters.h"

#include <chrono>
#include <fstream>
#include <sstream>
#include <string>

namespace parallax::sensor {

std::optional<TcpExtCounters> ReadTcpExtCounters() {
  // Pairs of lines: "TcpExt: NAME NAME ...", "TcpExt: VALUE VALUE ...".
  std::ifstream file("/proc/self/net/netstat");
  std::string names_line;
  std::string values_line;
  while (std::getline(file, names_line) && std::getline(file, values_line)) {
    std::istringstream names(names_line);
    std::istringstream values(values_line);
    std::string name;
    std::string value;
    if (!(names >> name) || name != "TcpExt:" || !(values >> value)) {
      continue;
    }
    TcpExtCounters counters;
    int found = 0;
    uint64_t number = 0;
    while (names >> name && values >> number) {
      if (name == "ListenOverflows") {
        counters.listen_overflows = number;
        ++found;
      } else if (name == "SyncookiesSent") {
        counters.syn_cookies_sent = number;
        ++found;
      }
    }
    return found == 2 ? std::optional(counters) : std::nullopt;
  }
  return std::nullopt;
}

const TcpExtCounters& HostCounterWatch::At(MonoTime now) {
  if (now - read_at_ >= std::chrono::seconds(1)) {
    read_at_ = now;
    counters_ = ReadTcpExtCounters().value_or(counters_);
  }
  return counters_;
}

}  // namespace parallax::sensor
