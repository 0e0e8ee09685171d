// The capture command over the golden captures, to the byte; tests/data/capture/README.md says how
// to add one.
#include "sensor/capture_command.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "common/fd.h"
#include "saved_bytes.h"
#include "tests/unit/temp_dir.h"

namespace parallax::sensor {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string Data(const std::string& name) { return PARALLAX_CAPTURE_DATA "/" + name; }

struct Ran {
  int exit_code = 0;
  std::string out;
  std::string err;
};

// Runs the command with stdout and stderr going to files.
Ran Capture(const CaptureCommandOptions& options) {
  const TempDir dir;
  std::fflush(nullptr);
  const UniqueFd saved_out(dup(STDOUT_FILENO));
  const UniqueFd saved_err(dup(STDERR_FILENO));
  {
    const UniqueFd out(open(dir.Path("out").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    const UniqueFd err(open(dir.Path("err").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    dup2(out.get(), STDOUT_FILENO);
    dup2(err.get(), STDERR_FILENO);
  }
  Ran ran;
  ran.exit_code = RunCaptureCommand(options);
  std::fflush(nullptr);
  dup2(saved_out.get(), STDOUT_FILENO);
  dup2(saved_err.get(), STDERR_FILENO);
  ran.out = ReadAll(dir.Path("out"));
  ran.err = ReadAll(dir.Path("err"));
  return ran;
}

CaptureCommandOptions Jsonl(const std::string& file) {
  CaptureCommandOptions options;
  options.read_file = file;
  options.output = CaptureOutput::kJsonl;
  return options;
}

// How many sources there were is an estimate that depends on a random key.
std::string WithoutEstimates(std::string summary) {
  const std::string before = "about ";
  for (size_t at = 0; (at = summary.find(before, at)) != summary.npos;) {
    at += before.size();
    summary.replace(at, summary.find_first_not_of("0123456789", at) - at, "N");
  }
  return summary;
}

TEST(CaptureCommand, GoldenCaptures) {
  int captures = 0;
  for (const auto& entry : std::filesystem::directory_iterator(PARALLAX_CAPTURE_DATA)) {
    const std::string path = entry.path().string();
    if (!path.ends_with(".pcap") && !path.ends_with(".pcapng")) {
      continue;
    }
    SCOPED_TRACE(path);
    ++captures;
    CaptureCommandOptions options = Jsonl(path);
    const Ran segments = Capture(options);
    EXPECT_EQ(segments.exit_code, 0) << segments.err;
    EXPECT_EQ(segments.out, ReadAll(path + ".jsonl"));
    options.handshakes = true;
    const Ran attempts = Capture(options);
    EXPECT_EQ(attempts.exit_code, 0) << attempts.err;
    EXPECT_EQ(attempts.out, ReadAll(path + ".handshakes.jsonl"));
    if (std::filesystem::exists(path + ".summary")) {
      EXPECT_EQ(WithoutEstimates(attempts.err), ReadAll(path + ".summary"));
    }
    options.handshakes = false;
    options.announcements = true;
    const Ran announcements = Capture(options);
    EXPECT_EQ(announcements.exit_code, 0) << announcements.err;
    const bool some = std::filesystem::exists(path + ".announcements.jsonl");
    EXPECT_EQ(announcements.out, some ? ReadAll(path + ".announcements.jsonl") : "");
    if (some) {
      EXPECT_EQ(announcements.err, ReadAll(path + ".announcements.summary"));
    }
  }
  EXPECT_GE(captures, 25);
}

TEST(CaptureCommand, TableAndSummary) {
  CaptureCommandOptions options = Jsonl(Data("raw.pcap"));
  options.output = CaptureOutput::kTable;
  const Ran ran = Capture(options);
  EXPECT_EQ(ran.exit_code, 0);
  EXPECT_EQ(ran.out,
            "TIME                         INTERFACE  FLAGS  SOURCE                 "
            "DESTINATION            TTL         ISN  VLAN\n"
            "2026-01-01T00:00:00.000000Z  -          S      192.0.2.1:40000        "
            "198.51.100.2:443        61           1\n"
            "2026-01-01T00:00:01.000001Z  -          S      [2001:db8::1]:40000    "
            "[2001:db8:f::2]:443     57           2\n");
  EXPECT_EQ(ran.err,
            "2 frames, 2 SYN, 0 SYN-ACK in 1.000 s\n"
            "most SYNs from: 192.0.2.1 (1), 2001:db8::1 (1)\n"
            "most SYNs to: 198.51.100.2 (1), 2001:db8:f::2 (1)\n");
}

TEST(CaptureCommand, HandshakeTableAndSummary) {
  CaptureCommandOptions options = Jsonl(Data("handshakes.pcap"));
  options.output = CaptureOutput::kTable;
  options.handshakes = true;
  const Ran ran = Capture(options);
  EXPECT_THAT(ran.out, StartsWith("TIME                         INTERFACE  CLIENT"));
  EXPECT_THAT(ran.out, HasSubstr("half_open      1         6  syn_ack_repeated\n"));
  EXPECT_THAT(ran.err, HasSubstr("attempts: 6 completed, 2 half_open, 1 unanswered, 1 refused, "
                                 "4 unknown\n"));
}

TEST(CaptureCommand, AnnouncementTable) {
  CaptureCommandOptions options = Jsonl(Data("announcements.pcap"));
  options.output = CaptureOutput::kTable;
  options.announcements = true;
  options.filter = "ip6 and udp";
  const Ran ran = Capture(options);
  EXPECT_EQ(ran.exit_code, 0);
  EXPECT_EQ(ran.out,
            "TIME                         INTERFACE  KIND                  SPEAKER          "
            "SPEAKER-LINK       GATEWAY          PREFIX         METRIC  WITHDRAWN  VLAN\n"
            "2026-01-01T00:00:05.000005Z  -          rip                   fe80::66         "
            "02:00:00:00:00:02  fe80::99         ::/0                1  no\n");
  EXPECT_EQ(ran.err,
            "25 frames, 1 that may announce a gateway, 1 announcement in 24.000 s\n"
            "not printed: 19 frames left out by --filter\n");
}

TEST(CaptureCommand, AnnouncementsEndWithTheCount) {
  CaptureCommandOptions options = Jsonl(Data("announcements.pcap"));
  options.announcements = true;
  options.count = 15;  // in the middle of a frame
  const Ran ran = Capture(options);
  EXPECT_EQ(std::count(ran.out.begin(), ran.out.end(), '\n'), 15);
  EXPECT_THAT(ran.err, StartsWith("14 frames, "));
}

TEST(CaptureCommand, FilterNarrows) {
  CaptureCommandOptions options = Jsonl(Data("ethernet.pcap"));
  const Ran all = Capture(options);
  const auto lines = [](const Ran& ran) {
    return std::count(ran.out.begin(), ran.out.end(), '\n');
  };
  EXPECT_EQ(lines(all), 19);
  options.filter = "ip6";
  const Ran v6 = Capture(options);
  options.filter = "not ip6";
  const Ran v4 = Capture(options);
  EXPECT_EQ(v4.exit_code, 0);
  EXPECT_EQ(lines(v4) + lines(v6), 19);
  EXPECT_THAT(v6.out, testing::Not(HasSubstr("192.0.2.1")));
  EXPECT_THAT(v4.err, HasSubstr(std::to_string(lines(v6)) + " left out by --filter"));
  options.filter = "vlan 100";
  EXPECT_EQ(lines(Capture(options)), 1);
  options.filter = "tcp prot 25";
  const Ran bad = Capture(options);
  EXPECT_EQ(bad.exit_code, 2);
  EXPECT_THAT(bad.err, HasSubstr("--filter 'tcp prot 25': "));
}

TEST(CaptureCommand, FramesOfOtherLinkTypesMakeItPartial) {
  using namespace saved;
  const TempDir dir;
  const std::string raw = ReadAll(Data("raw.pcap"));
  const Bytes syn(raw.begin() + 40, raw.begin() + 80);
  const Order o = Order::kLittle;
  const Ran ran = Capture(Jsonl(dir.Write(
      "mixed.pcapng", AsString(Join({Section(o), Interface(o, {.link = 127, .name = "wlan0"}),
                                     Interface(o, {.link = 101, .name = "tun0"}),
                                     Enhanced(o, 0, 0, Bytes(60, 1)), Enhanced(o, 1, 0, syn)})))));
  EXPECT_EQ(ran.exit_code, 6);
  EXPECT_THAT(ran.out, StartsWith("{\"frame\":2,\"time\":\"1970-01-01T00:00:00.000000Z\","
                                  "\"interface\":\"tun0\",\"flags\":\"S\","));
  EXPECT_THAT(ran.err, HasSubstr("1 of IEEE802_11_RADIO (127)"));
}

TEST(CaptureCommand, CountStops) {
  CaptureCommandOptions options = Jsonl(Data("ethernet.pcap"));
  options.count = 2;
  const Ran ran = Capture(options);
  EXPECT_EQ(ran.exit_code, 0);
  EXPECT_EQ(std::count(ran.out.begin(), ran.out.end(), '\n'), 2);
  options.handshakes = true;
  const Ran attempts = Capture(options);
  EXPECT_EQ(std::count(attempts.out.begin(), attempts.out.end(), '\n'), 2);
}

TEST(CaptureCommand, ATruncatedFileGivesWhatItHasAndSaysSo) {
  const TempDir dir;
  const std::string whole = ReadAll(Data("raw.pcap"));
  const Ran ran = Capture(Jsonl(dir.Write("cut.pcap", whole.substr(0, whole.size() - 7))));
  EXPECT_EQ(ran.exit_code, 6);
  EXPECT_THAT(ran.out, StartsWith("{\"frame\":1,"));
  EXPECT_THAT(ran.err, HasSubstr("cut.pcap: cut short or damaged after frame 1"));
}

TEST(CaptureCommand, BadInput) {
  const TempDir dir;
  const Ran missing = Capture(Jsonl(dir.Path("nothing")));
  EXPECT_EQ(missing.exit_code, 3);
  const Ran text = Capture(Jsonl(dir.Write("text", "hello, world; hello, world")));
  EXPECT_EQ(text.exit_code, 1);
  EXPECT_EQ(text.out, "");
  EXPECT_THAT(text.err, HasSubstr("not a pcap or pcapng capture"));
  EXPECT_EQ(Capture({}).exit_code, 2);
  CaptureCommandOptions live;
  live.interfaces = {"no-such-if"};
  const Ran interface = Capture(live);
  EXPECT_EQ(interface.exit_code, 3);
}

}  // namespace
}  // namespace parallax::sensor
