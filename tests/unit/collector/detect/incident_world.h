// A book of incidents, the time that passes over it, and what it tells.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "collector/detect/incident_book.h"

namespace parallax::collector {

using namespace std::chrono_literals;

inline const IpAddress kOne = *IpAddress::Parse("198.51.100.1");
inline const IpAddress kTwo = *IpAddress::Parse("198.51.100.2");
inline const IpAddress kSix = *IpAddress::Parse("2001:db8::6");

class IncidentWorld : public testing::Test {
 protected:
  // `time` passes in ticks; changes but "updated" are told as "INC-1 opened".
  void Pass(Duration time) {
    for (Duration done{}; done < time; done += 100ms) {
      now_ = now_ + 100ms;
      book_.Tick(now_);
      for (const IncidentChange& change : book_.Take()) {
        latest_[change.incident.number] = change.incident;
        if (change.change != "updated") {
          told_.push_back(IncidentId(change.incident.number) + " " + change.change);
        }
      }
    }
  }
  void Split(const IpAddress& target, std::vector<SensorName> failing,
             std::vector<SensorName> reaching) {
    book_.Split(target, failing, reaching, now_.mono, now_);
  }
  // Two rounds that find the same, far enough apart to open an incident.
  void OpenSplit(const IpAddress& target, const std::vector<SensorName>& failing,
                 const std::vector<SensorName>& reaching) {
    Split(target, failing, reaching);
    Pass(8s);
    Split(target, failing, reaching);
    Pass(3s);
  }
  // Of the hosts that are down, more than leave by themselves went at once.
  void WentTogether() {
    Explanation said;
    said.together = true;
    for (const IncidentView& view : book_.Views()) {
      if (view.basis == Verdict::kTargetDown) {
        book_.Explain(view.serial, said);
      }
    }
  }

  Moment now_{MonoTime(1h), WallTime(1000h)};
  IncidentBook book_{IncidentOptions{}, 0};
  std::vector<std::string> told_;
  std::map<uint64_t, IncidentRecord> latest_;
};

}  // namespace parallax::collector
