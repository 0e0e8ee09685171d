// What `parallax-sensor capture` prints: segments, attempts and announcements as JSON lines or as
// table rows.
// Field names are a contract with scripts. Fast enough to keep up with a file being read: appends
// to a string, keeps the calendar part of the last time stamp. Pure; one thread.
#pragma once

#include <cstdint>
#include <string>

#include "common/records.h"
#include "sensor/capture/segment.h"

namespace parallax::sensor {

class RecordText {
 public:
  // {"frame":1,"time":"2026-11-23T13:30:18.123456Z","interface":null,"flags":"S","src":"192.0.2.1",
  //  "sport":40000,"dst":"198.51.100.2","dport":443,"isn":16909060,"ttl":61,"vlan":[100]}
  // `isn` is the segment's own sequence number, also in a SYN-ACK. The time has nine decimals
  // if the stamp is not a whole microsecond.
  void SegmentJson(const CapturedSegment& segment, std::string& out);
  // {"time":...,"interface":null,"src":...,"sport":...,"dst":...,"dport":...,"isn":...,"ttl":...,
  //  "outcome":"half_open","rule":"syn_ack_repeated","syns":1,"syn_acks":2}
  // src is the client, `isn` its initial sequence number, `ttl` null if its SYN was not seen.
  void AttemptJson(const Attempt& attempt, std::string& out);
  // {"frame":1,"time":...,"interface":null,"kind":"rip","speaker":"192.0.2.66",
  //  "speaker_link":"02:00:00:00:00:02","gateway":"192.0.2.66","prefix":"0.0.0.0/0","metric":1,
  //  "withdrawn":false,"vlan":[100]}
  // speaker_link is null if the link type has no such addresses, prefix in an OSPF hello.
  void AnnouncementJson(const Announcement& announcement, uint64_t frame, const VlanList& vlan,
                        std::string& out);

  // Rows of the same content, times in microseconds; columns widen when a value needs it.
  void SegmentHeader(std::string& out);
  void SegmentRow(const CapturedSegment& segment, std::string& out);
  void AttemptHeader(std::string& out);
  void AttemptRow(const Attempt& attempt, std::string& out);
  void AnnouncementHeader(std::string& out);
  void AnnouncementRow(const Announcement& announcement, const VlanList& vlan, std::string& out);

 private:
  void Time(WallTime time, bool nanoseconds, std::string& out);
  void JsonTime(WallTime time, std::string& out);

  int64_t second_ = -1;      // whose text is in second_text_
  std::string second_text_;  // "2026-11-23T13:30:18"
  size_t interface_width_ = 9;
  size_t endpoint_width_ = 21;  // "255.255.255.255:65535"
  size_t address_width_ = 15;   // "255.255.255.255"
  size_t prefix_width_ = 9;     // "0.0.0.0/0"
};

}  // namespace parallax::sensor
