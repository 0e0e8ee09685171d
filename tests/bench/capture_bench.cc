// What capturing costs, from saved captures that it makes itself (in TMPDIR, 350 MB, removed
// afterwards), each beside a bare libpcap loop over the same file in the same run: the filter of
// bpf_program.h installed with pcap_setfilter, and a callback that counts.
//
//   parallax_capture_bench [ROUNDS]
//
// Prints one row per task: the median of ROUNDS (default 7) rounds and the ratio to the loop, pair
// by pair. Every round runs everything once, so that a machine that changes speed changes both.
#include <fmt/format.h>
#include <pcap/pcap.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "sensor/capture/bpf_program.h"
#include "sensor/capture/pcap_file.h"
#include "sensor/capture_command.h"
#include "sensor/observe/observer.h"

namespace parallax::sensor {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint64_t kFrames = 2'000'000;
constexpr size_t kEthernetHeader = 14;
constexpr size_t kIpHeader = 20;
constexpr size_t kTcpHeader = 40;  // with options, as in real SYNs

struct FileMaker {
  explicit FileMaker(const std::string& path) : file(std::fopen(path.c_str(), "wb")) {
    if (file == nullptr) {
      std::perror(path.c_str());
      std::exit(1);
    }
    const uint32_t header[6] = {0xa1b2c3d4, 0x00040002, 0, 0, 262144, 1};
    std::fwrite(header, sizeof header, 1, file);
  }
  ~FileMaker() { std::fclose(file); }

  // `length`: bytes of the frame on the wire and in the file.
  void Frame(uint64_t micros, uint32_t source, uint16_t port, uint32_t isn, uint8_t flags,
             size_t length) {
    uint8_t frame[1514] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0};
    uint8_t* const ip = frame + kEthernetHeader;
    const auto put16 = [](uint8_t* at, size_t value) {
      at[0] = static_cast<uint8_t>(value >> 8);
      at[1] = static_cast<uint8_t>(value);
    };
    const auto put32 = [&](uint8_t* at, uint32_t value) {
      put16(at, value >> 16);
      put16(at + 2, value & 0xffff);
    };
    ip[0] = 0x45;
    put16(ip + 2, length - kEthernetHeader);
    ip[8] = 61;
    ip[9] = 6;
    put32(ip + 12, source);
    put32(ip + 16, 0xc0000219);
    uint8_t* const tcp = ip + kIpHeader;
    put16(tcp, port);
    put16(tcp + 2, 443);
    put32(tcp + 4, isn);
    tcp[12] = kTcpHeader / 4 * 16;
    tcp[13] = flags;
    const uint32_t record[4] = {static_cast<uint32_t>(1767225600 + micros / 1'000'000),
                                static_cast<uint32_t>(micros % 1'000'000),
                                static_cast<uint32_t>(length), static_cast<uint32_t>(length)};
    std::fwrite(record, sizeof record, 1, file);
    std::fwrite(frame, length, 1, file);
  }

  std::FILE* file;
};

// Every frame a SYN, from 65,536 sources, a million a second.
void MakeAllSyn(const std::string& path) {
  FileMaker maker(path);
  std::mt19937 random(1);
  for (uint64_t i = 0; i < kFrames; ++i) {
    maker.Frame(i, 0x0a000000 | (random() & 0xffff), static_cast<uint16_t>(random() | 1024),
                static_cast<uint32_t>(random()), 0x02, kEthernetHeader + kIpHeader + kTcpHeader);
  }
}

// One frame in ten a SYN, the others acknowledgements and data.
void MakeMixed(const std::string& path) {
  FileMaker maker(path);
  std::mt19937 random(2);
  for (uint64_t i = 0; i < kFrames; ++i) {
    const bool syn = i % 10 == 0;
    const size_t payload = syn || i % 10 < 6 ? 0 : 300;
    maker.Frame(i, 0x0a000000 | (random() & 0xffff), static_cast<uint16_t>(random() | 1024),
                static_cast<uint32_t>(random()), syn ? 0x02 : 0x10,
                kEthernetHeader + kIpHeader + kTcpHeader + payload);
  }
}

uint64_t BareLoop(const std::string& path) {
  char reason[PCAP_ERRBUF_SIZE];
  pcap_t* const pcap = pcap_open_offline(path.c_str(), reason);
  std::vector<bpf_insn> instructions;
  for (const BpfInstruction& i : MakeCaptureFilter(LinkType::kEthernet, SegmentScope::kSyn)) {
    instructions.push_back({i.code, i.jt, i.jf, i.k});
  }
  bpf_program program{static_cast<u_int>(instructions.size()), instructions.data()};
  pcap_setfilter(pcap, &program);
  uint64_t count = 0;
  pcap_loop(
      pcap, -1,
      [](u_char* user, const pcap_pkthdr*, const u_char*) { ++*reinterpret_cast<uint64_t*>(user); },
      reinterpret_cast<u_char*>(&count));
  pcap_close(pcap);
  return count;
}

uint64_t Decode(const std::string& path) {
  auto file = PcapFile::Open(path);
  PcapFile::Frame frame;
  SynSegment segment;
  uint64_t count = 0;
  while (file->Next(frame).value()) {
    count +=
        DecodeInto(frame.link_type, frame.captured, frame.wire_length, SegmentScope::kSyn, segment)
            ? 0
            : 1;
  }
  return count;
}

// Hands the segments over in batches, as the sensor's capture thread does.
template <typename See>
void InBatches(const std::string& path, See&& see) {
  auto file = PcapFile::Open(path);
  PcapFile::Frame frame;
  std::array<CapturedSegment, 64> batch;
  size_t count = 0;
  while (file->Next(frame).value()) {
    CapturedSegment& next = batch[count];
    if (DecodeInto(frame.link_type, frame.captured, frame.wire_length, SegmentScope::kSynOrRst,
                   next.segment)) {
      continue;
    }
    next.stamp = frame.stamp;
    next.seen = MonoTime(frame.stamp.time_since_epoch());
    if (++count == batch.size()) {
      see(std::span(batch));
      count = 0;
    }
  }
  see(std::span(batch).first(count));
}

// Every attempt followed, in a table that is 30 times too small for them.
uint64_t Track(const std::string& path) {
  AttemptTracker tracker({.entries = size_t{1} << 16, .key = RandomHashKey()});
  std::vector<AttemptEvent> out;
  InBatches(path, [&](std::span<const CapturedSegment> batch) {
    tracker.Observe(batch, out);
    out.clear();
  });
  return tracker.stats().attempts;
}

// The whole observing stage of a running sensor: counts, sketches, gate, tracker, report filter.
uint64_t Observe(const std::string& path) {
  ObserverOptions options;
  options.key = RandomHashKey();
  Observer observer(options);
  std::vector<Record> out;
  InBatches(path, [&](std::span<const CapturedSegment> batch) {
    observer.See(batch, out);
    out.clear();
  });
  return observer.stats().tracker.attempts;
}

uint64_t Command(const std::string& path, CaptureOutput output, bool handshakes) {
  CaptureCommandOptions options;
  options.read_file = path;
  options.output = output;
  options.handshakes = handshakes;
  RunCaptureCommand(options);
  return kFrames;
}

struct Task {
  std::string name;
  std::string target;
  std::string file;
  std::function<uint64_t(const std::string&)> run;
  std::vector<double> seconds = {};
};

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

int Main(int rounds) {
  const char* const temporary = std::getenv("TMPDIR");
  std::string folder =
      std::string(temporary == nullptr ? "/tmp" : temporary) + "/parallax-bench.XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) {
    std::perror(folder.c_str());
    return 1;
  }
  const std::string all = folder + "/all_syn.pcap";
  const std::string mixed = folder + "/mixed.pcap";
  MakeAllSyn(all);
  MakeMixed(mixed);
  // The commands write to where the file descriptors point.
  const int out = dup(STDOUT_FILENO);
  std::FILE* const table = fdopen(out, "w");
  if (freopen("/dev/null", "w", stdout) == nullptr ||
      freopen("/dev/null", "w", stderr) == nullptr) {
    return 1;
  }
  const auto jsonl = [](bool handshakes) {
    return [handshakes](const std::string& path) {
      return Command(path, CaptureOutput::kJsonl, handshakes);
    };
  };
  std::vector<Task> tasks = {
      {"all SYN: bare libpcap loop", "", all, BareLoop},
      {"all SYN: decode", "<= 1.3", all, Decode},
      {"all SYN: decode and observe", "<= 2.0", all, Observe},
      {"all SYN: decode and track each attempt", "", all, Track},
      {"all SYN: capture -o jsonl", ">= 1 M/s", all, jsonl(false)},
      {"all SYN: capture --handshakes -o jsonl", "", all, jsonl(true)},
      {"10 % SYN: bare libpcap loop", "", mixed, BareLoop},
      {"10 % SYN: decode", "<= 1.2", mixed, Decode},
  };
  for (int round = -1; round < rounds; ++round) {  // the first warms up
    for (Task& task : tasks) {
      const auto start = Clock::now();
      task.run(task.file);
      const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
      if (round >= 0) {
        task.seconds.push_back(seconds);
      }
    }
  }
  fmt::print(table, "{:<40} {:>8} {:>12} {:>10}  {}\n", "2,000,000 FRAMES", "SECONDS", "FRAMES/S",
             "RATIO", "TARGET");
  const Task* base = nullptr;
  for (const Task& task : tasks) {
    if (base == nullptr || base->file != task.file) {
      base = &task;
    }
    std::vector<double> ratios;
    for (size_t i = 0; i < task.seconds.size(); ++i) {
      ratios.push_back(task.seconds[i] / base->seconds[i]);
    }
    const double seconds = Median(task.seconds);
    fmt::print(table, "{:<40} {:>8.3f} {:>12.0f} {:>10.2f}  {}\n", task.name, seconds,
               static_cast<double>(kFrames) / seconds, Median(ratios), task.target);
  }
  std::fclose(table);
  unlink(all.c_str());
  unlink(mixed.c_str());
  rmdir(folder.c_str());
  return 0;
}

}  // namespace
}  // namespace parallax::sensor

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 7;
  return parallax::sensor::Main(std::max(rounds, 1));
}
