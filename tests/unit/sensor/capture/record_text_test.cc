#include "sensor/capture/record_text.h"

#include <gtest/gtest.h>

namespace parallax::sensor {
namespace {

CapturedSegment Segment() {
  CapturedSegment c;
  c.segment.src = {*IpAddress::Parse("192.0.2.1"), 40000};
  c.segment.dst = {*IpAddress::Parse("2001:db8::2"), 443};
  c.segment.seq = 4294967295;
  c.segment.flags = kTcpSyn;
  c.segment.ttl = 255;
  c.segment.vlan = {{100, 0, 4094}, 3};
  c.stamp = *ParseRfc3339("2026-11-23T13:30:18.000042Z");
  c.frame = 7;
  return c;
}

TEST(RecordText, SegmentAsJson) {
  RecordText text;
  std::string out;
  text.SegmentJson(Segment(), out);
  EXPECT_EQ(out,
            "{\"frame\":7,\"time\":\"2026-11-23T13:30:18.000042Z\",\"interface\":null,"
            "\"flags\":\"S\",\"src\":\"192.0.2.1\",\"sport\":40000,\"dst\":\"2001:db8::2\","
            "\"dport\":443,\"isn\":4294967295,\"ttl\":255,\"vlan\":[100,0,4094]}\n");
}

TEST(RecordText, NanosecondsSynAckAndStrangeInterfaceNames) {
  RecordText text;
  std::string out;
  CapturedSegment c = Segment();
  c.segment.flags = kTcpSyn | kTcpAck;
  c.segment.vlan = {};
  c.stamp = *ParseRfc3339("2026-11-23T13:30:18.123456789Z");
  c.interface = "a\"b\\c\x01";
  text.SegmentJson(c, out);
  EXPECT_NE(out.find("\"time\":\"2026-11-23T13:30:18.123456789Z\""), out.npos) << out;
  EXPECT_NE(out.find("\"interface\":\"a\\\"b\\\\c?\""), out.npos) << out;
  EXPECT_NE(out.find("\"flags\":\"SA\""), out.npos) << out;
  EXPECT_NE(out.find("\"vlan\":[]}"), out.npos) << out;
}

TEST(RecordText, TimesInAnyOrderBeforeAndAfterTheEpoch) {
  RecordText text;
  for (const char* time : {"2026-11-23T13:30:18.000000Z", "1969-12-31T23:59:59.999999Z",
                           "1970-01-01T00:00:00.000000Z", "2026-11-23T13:30:18.500000Z"}) {
    CapturedSegment c = Segment();
    c.stamp = *ParseRfc3339(time);
    std::string out;
    text.SegmentJson(c, out);
    EXPECT_NE(out.find(time), out.npos) << out;
  }
}

Announcement Offer() {
  Announcement a;
  a.kind = AnnouncementKind::kRouterAdvertisement;
  a.speaker = *IpAddress::Parse("fe80::66");
  a.speaker_link = "02:00:00:00:00:02";
  a.gateway = *IpAddress::Parse("fe80::67");
  a.prefix = *Prefix::Parse("::/0");
  a.metric = 4294967295;
  a.withdrawn = true;
  a.interface = "e\"th0";
  a.first_heard = *ParseRfc3339("2026-11-23T13:30:18.000042Z");
  return a;
}

TEST(RecordText, AnnouncementAsJson) {
  RecordText text;
  std::string out;
  text.AnnouncementJson(Offer(), 7, {{100, 20}, 2}, out);
  EXPECT_EQ(out,
            "{\"frame\":7,\"time\":\"2026-11-23T13:30:18.000042Z\",\"interface\":\"e\\\"th0\","
            "\"kind\":\"router_advertisement\",\"speaker\":\"fe80::66\","
            "\"speaker_link\":\"02:00:00:00:00:02\",\"gateway\":\"fe80::67\",\"prefix\":\"::/0\","
            "\"metric\":4294967295,\"withdrawn\":true,\"vlan\":[100,20]}\n");
  Announcement hello;
  hello.kind = AnnouncementKind::kOspf;
  hello.first_heard = Offer().first_heard;
  out.clear();
  text.AnnouncementJson(hello, 1, {}, out);
  EXPECT_NE(out.find("\"interface\":null,\"kind\":\"ospf\""), out.npos) << out;
  EXPECT_NE(out.find("\"speaker_link\":null"), out.npos) << out;
  EXPECT_NE(out.find("\"prefix\":null,\"metric\":0,\"withdrawn\":false,\"vlan\":[]}"), out.npos);
}

TEST(RecordText, AnnouncementAsRow) {
  RecordText text;
  std::string out;
  text.AnnouncementRow(Offer(), {{100, 20}, 2}, out);
  EXPECT_EQ(out,
            "2026-11-23T13:30:18.000042Z  e\"th0      router_advertisement  fe80::66         "
            "02:00:00:00:00:02  fe80::67         ::/0       4294967295  yes        100,20\n");
  out.clear();
  Announcement hello = Offer();
  hello.prefix.reset();
  hello.speaker_link.clear();
  hello.withdrawn = false;
  text.AnnouncementRow(hello, {}, out);
  EXPECT_NE(out.find("fe80::66         -                  fe80::67         -          "), out.npos);
  EXPECT_TRUE(out.ends_with("4294967295  no\n")) << out;
}

TEST(RecordText, AttemptAsJson) {
  RecordText text;
  Attempt a;
  a.client = {*IpAddress::Parse("2001:db8::2"), 1};
  a.server = {*IpAddress::Parse("2001:db8::3"), 25};
  a.isn = 5;
  a.first_seen = *ParseRfc3339("2026-11-23T13:30:18Z");
  a.outcome = AttemptOutcome::kHalfOpen;
  a.rule = "syn_ack_repeated";
  a.syn_acks = 6;
  a.interface = "eth0";
  std::string out;
  text.AttemptJson(a, out);
  EXPECT_EQ(out,
            "{\"time\":\"2026-11-23T13:30:18.000000Z\",\"interface\":\"eth0\","
            "\"src\":\"2001:db8::2\",\"sport\":1,\"dst\":\"2001:db8::3\",\"dport\":25,\"isn\":5,"
            "\"ttl\":null,\"outcome\":\"half_open\",\"rule\":\"syn_ack_repeated\",\"syns\":0,"
            "\"syn_acks\":6}\n");
}

TEST(RecordText, TableColumnsStayAligned) {
  RecordText text;
  std::string out;
  text.SegmentHeader(out);
  CapturedSegment c = Segment();
  c.segment.dst.address = *IpAddress::Parse("198.51.100.200");
  c.interface = "eth0";
  text.SegmentRow(c, out);
  EXPECT_EQ(out,
            "TIME                         INTERFACE  FLAGS  SOURCE                 "
            "DESTINATION            TTL         ISN  VLAN\n"
            "2026-11-23T13:30:18.000042Z  eth0       S      192.0.2.1:40000        "
            "198.51.100.200:443     255  4294967295  100,0,4094\n");
  // A wide value widens the column for good.
  std::string wide;
  c.segment.src.address = *IpAddress::Parse("2001:db8:1111:2222:3333:4444:5555:6666");
  text.SegmentRow(c, wide);
  std::string narrow;
  c.segment.src.address = *IpAddress::Parse("192.0.2.1");
  text.SegmentRow(c, narrow);
  EXPECT_EQ(wide.find("198.51.100.200"), narrow.find("198.51.100.200"));
}

}  // namespace
}  // namespace parallax::sensor
