// What the capture command says on stderr, to the letter.
#include "sensor/capture_summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

const WallTime kStart{std::chrono::seconds(1'767'225'600)};

SynSegment Syn(const std::string& src, const std::string& dst, bool ack = false) {
  SynSegment segment;
  segment.src.address = *IpAddress::Parse(src);
  segment.dst.address = *IpAddress::Parse(dst);
  segment.flags = ack ? kTcpSyn | kTcpAck : kTcpSyn;
  return segment;
}

ServerReport Report(const std::string& server, uint64_t half_open) {
  ServerReport report;
  report.server = *IpAddress::Parse(server);
  report.window = 41500ms;
  report.syns = 100;
  report.sources = 37;
  report.port = 25;
  report.port_syns = 90;
  report.half_open = half_open;
  return report;
}

// The last line of a summary in which only this server has trouble.
std::string Line(const ServerReport& report) {
  CaptureSummary summary;
  summary.Trouble(report);
  std::string text = summary.Text(true);
  text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

TEST(CaptureSummary, NothingAtAll) {
  const CaptureSummary summary;
  EXPECT_EQ(summary.Text(false), "0 frames, 0 SYN, 0 SYN-ACK\n");
  EXPECT_EQ(summary.Text(true),
            "0 frames, 0 SYN, 0 SYN-ACK\n"
            "attempts: 0 completed, 0 half_open, 0 unanswered, 0 refused, 0 unknown\n");
}

TEST(CaptureSummary, EverythingAtOnce) {
  CaptureSummary summary;
  summary.Frame(kStart + 2s);
  summary.Frame(kStart);  // stamps may come in any order
  summary.Frame(kStart + 3500ms);
  for (int i = 0; i < 3; ++i) {
    summary.Segment(Syn("192.0.2.1", "198.51.100.2"));
  }
  summary.Segment(Syn("2001:db8::1", "2001:db8:f::2"));
  summary.Segment(Syn("198.51.100.2", "192.0.2.1", true));
  SynSegment ack = Syn("192.0.2.1", "198.51.100.2");
  ack.flags = kTcpAck;
  summary.Segment(ack);
  const DecodeSkip skips[] = {DecodeSkip::kNotIp,      DecodeSkip::kNotTcp,
                              DecodeSkip::kNotTcp,     DecodeSkip::kLaterFragment,
                              DecodeSkip::kOutOfScope, DecodeSkip::kTruncated,
                              DecodeSkip::kMalformed,  DecodeSkip::kMalformed};
  for (const DecodeSkip skip : skips) {
    summary.Skipped(skip);
  }
  summary.FilteredOut();
  const AttemptOutcome outcomes[] = {AttemptOutcome::kCompleted, AttemptOutcome::kCompleted,
                                     AttemptOutcome::kHalfOpen,  AttemptOutcome::kUnanswered,
                                     AttemptOutcome::kRefused,   AttemptOutcome::kUnknown};
  for (const AttemptOutcome outcome : outcomes) {
    summary.Outcome(outcome);
  }
  AttemptTrackerStats stats;
  stats.duplicates = 4;
  stats.odd = 1;
  stats.evicted = 2;
  summary.Tracker(stats);
  summary.Trouble(Report("198.51.100.2", 60));
  EXPECT_EQ(summary.frames(), 3u);
  EXPECT_EQ(summary.syns(), 4u);
  EXPECT_EQ(summary.Text(true),
            "3 frames, 4 SYN, 1 SYN-ACK in 3.500 s\n"
            "attempts: 2 completed, 1 half_open, 1 unanswered, 1 refused, 1 unknown\n"
            "of the segments: 4 seen twice, 1 SYN with FIN or RST\n"
            "of the attempts: 2 forgotten early, for want of room\n"
            "most SYNs from: 192.0.2.1 (3), 2001:db8::1 (1)\n"
            "most SYNs to: 198.51.100.2 (3), 2001:db8:f::2 (1)\n"
            "undecodable: 1 cut off by the capture, 2 malformed\n"
            "not looked into: 1 not IP, 2 not TCP, 1 later fragments, 1 TCP without SYN, "
            "1 left out by --filter\n"
            "198.51.100.2: 100 SYN (port 25) from about 37 sources in 42 s, 60 half-open: "
            "? sent their SYN again, ? are known clients\n");
  EXPECT_THAT(summary.Text(false), Not(HasSubstr("attempts:")));
}

TEST(CaptureSummary, TopsAreLeftOutWhereTheySayNothing) {
  CaptureSummary summary;
  for (int i = 1; i <= 4; ++i) {
    summary.Segment(Syn("192.0.2." + std::to_string(i), "198.51.100.2"));
  }
  EXPECT_THAT(summary.Text(false),
              HasSubstr("most SYNs from: 192.0.2.1 (1), 192.0.2.2 (1), 192.0.2.3 (1), "
                        "192.0.2.4 (1)\n"));
  // Five of many, each once.
  summary.Segment(Syn("192.0.2.5", "198.51.100.2"));
  EXPECT_THAT(summary.Text(false), Not(HasSubstr("most SYNs from:")));
  summary.Segment(Syn("192.0.2.5", "198.51.100.2"));
  EXPECT_THAT(summary.Text(false), HasSubstr("most SYNs from: 192.0.2.5 (2), 192.0.2.1 (1), "
                                             "192.0.2.2 (1), 192.0.2.3 (1), 192.0.2.4 (1)\n"));
}

TEST(CaptureSummary, WhatTheKernelDropped) {
  CaptureSummary summary;
  summary.Frame(kStart);
  summary.Kernel(3, 1);
  summary.Kernel(2, 1);
  EXPECT_EQ(summary.Text(false),
            "1 frame, 0 SYN, 0 SYN-ACK; 5 received, 2 dropped by the kernel\n");
  summary.Frame(kStart + 1s);
  summary.FilteredOut();
  EXPECT_EQ(summary.Text(false),
            "2 frames, 0 SYN, 0 SYN-ACK in 1.000 s; 5 received, 2 dropped by the kernel\n"
            "not looked into: 1 left out by --filter\n");
}

TEST(CaptureSummary, ACutReturnPathIsToldFromAFlood) {
  ServerReport cut = Report("192.0.2.25", 60);
  cut.half_open_repeated = 0.97;
  cut.half_open_known = 0.4;
  cut.all_or_nothing = 1.0;
  EXPECT_EQ(Line(cut),
            "192.0.2.25: 100 SYN (port 25) from about 37 sources in 42 s, 60 half-open: 97 % sent "
            "their SYN again, 40 % are known clients, 100 % of the clients that fail do so every "
            "time; real clients keep trying and their answers get lost: no flood");
  cut.excess = 50;
  EXPECT_THAT(Line(cut), EndsWith("; real clients do not get through, and SYNs far exceed what is "
                                  "usual"));
  cut.all_or_nothing = 0.3;  // an overflowing backlog: now this one, now that one
  EXPECT_THAT(Line(cut), EndsWith("30 % of the clients that fail do so every time"));

  ServerReport flood = Report("192.0.2.25", 60);
  flood.port_syns = 40;  // no port stands out
  flood.half_open_repeated = 0.01;
  flood.half_open_known = 0.0;
  flood.excess = 10;
  EXPECT_EQ(Line(flood),
            "192.0.2.25: 100 SYN from about 37 sources in 42 s, 60 half-open: 1 % sent their SYN "
            "again, 0 % are known clients; nobody tries again: looks like a SYN flood");
  flood.excess = 9;
  EXPECT_THAT(Line(flood), EndsWith("0 % are known clients"));
  flood.half_open = 0;
  EXPECT_THAT(Line(flood), EndsWith("from about 37 sources in 42 s"));
}

TEST(CaptureSummary, OfEachServerTheWorstReport) {
  CaptureSummary summary;
  summary.Trouble(Report("192.0.2.25", 5));
  summary.Trouble(Report("192.0.2.25", 50));
  summary.Trouble(Report("192.0.2.25", 49));
  summary.Trouble(Report("192.0.2.7", 8));
  const std::string text = summary.Text(true);
  EXPECT_THAT(text,
              HasSubstr("192.0.2.25: 100 SYN (port 25) from about 37 sources in 42 s, 50 half"));
  EXPECT_THAT(text, Not(HasSubstr("49 half-open")));
  EXPECT_LT(text.find("192.0.2.7: "), text.find("192.0.2.25: "));
}

TEST(CaptureSummary, NotMoreServersThanAPersonReads) {
  CaptureSummary summary;
  for (int i = 0; i < 100; ++i) {
    summary.Trouble(Report("10.0.0." + std::to_string(i), 5));
  }
  const std::string text = summary.Text(true);
  size_t lines = 0;
  for (size_t at = 0; (at = text.find(" half-open: ", at)) != text.npos; ++at) {
    ++lines;
  }
  EXPECT_EQ(lines, 64u);
}

TEST(CaptureProgress, LinesAtOneTwoFourAndEightSeconds) {
  CaptureSummary summary;
  summary.Frame(kStart);
  summary.Segment(Syn("192.0.2.1", "192.0.2.2"));
  const MonoTime start{5s};
  CaptureProgress progress("big.pcap", 250'000'000, false, start);
  std::string out;
  for (Duration t = 0ms; t <= 10s; t += 100ms) {
    out += progress.Update(static_cast<uint64_t>(t / 1ms) * 25'000, summary, start + t);
  }
  EXPECT_EQ(out,
            "big.pcap: 10 % of 250 MB, 1 frames, 1 SYN, 1.0 s\n"
            "big.pcap: 20 % of 250 MB, 1 frames, 1 SYN, 2.0 s\n"
            "big.pcap: 40 % of 250 MB, 1 frames, 1 SYN, 4.0 s\n"
            "big.pcap: 80 % of 250 MB, 1 frames, 1 SYN, 8.0 s\n");
  EXPECT_EQ(progress.End(), "");
}

TEST(CaptureProgress, OneLineRedrawnOnATerminal) {
  const CaptureSummary summary;
  const MonoTime start{5s};
  CaptureProgress progress("standard input", 0, true, start);
  EXPECT_EQ(progress.Update(500'000, summary, start + 999ms), "");
  EXPECT_EQ(progress.End(), "");  // nothing was drawn
  EXPECT_EQ(progress.Update(1'500'000, summary, start + 1s),
            "\rstandard input: 1 MB, 0 frames, 0 SYN, 1.0 s\x1b[K");
  EXPECT_EQ(progress.Update(2'000'000, summary, start + 1199ms), "");
  EXPECT_EQ(progress.Update(2'000'000, summary, start + 1200ms),
            "\rstandard input: 2 MB, 0 frames, 0 SYN, 1.2 s\x1b[K");
  EXPECT_EQ(progress.End(), "\r\x1b[K");
  EXPECT_EQ(progress.End(), "");
}

TEST(CaptureProgress, AFileThatGrowsWhileItIsRead) {
  const CaptureSummary summary;
  const MonoTime start{5s};
  CaptureProgress progress("growing.pcap", 1'000'000, false, start);
  EXPECT_EQ(progress.Update(3'000'000, summary, start + 1s),
            "growing.pcap: 100 % of 3 MB, 0 frames, 0 SYN, 1.0 s\n");
}

}  // namespace
}  // namespace parallax::sensor
