// Sends TCP SYN frames (IPv4, 74 bytes, with the options of a Linux client) out of one interface
// through a packet socket, for benchmarks of capture. Needs CAP_NET_RAW; for private networks only.
//
//   parallax_syn_generator --interface IF --mac MAC --destination ADDRESS:PORT [see --help]
//
// Sources, ports and ISNs come from a generator with a fixed seed: every run sends the same frames.
// Prints {"sent":N,"seconds":S,"rate":R} (frames, seconds, frames a second) at the end, which
// SIGINT or SIGTERM may bring about early. Exit code 1 if it cannot send, 2 for wrong usage.
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace {

constexpr const char* kUsage =
    "usage: parallax_syn_generator --interface IF --mac MAC --destination ADDRESS:PORT [options]\n"
    "  --mac MAC           of the host that the frames go to, e.g. 02:00:00:00:00:01\n"
    "  --sources N         N different sources within 10.0.0.0/8; default: random, 11.* to 126.*\n"
    "  --count N, --seconds S   end after so many frames, or so long; default: when interrupted\n"
    "  --rate PPS          frames a second, paced by sleeping; 0: all that one core can (default)\n"
    "  --bypass            past the queueing discipline (PACKET_QDISC_BYPASS)\n"
    "  --stamp             wall clock in nanoseconds, read before each system call: big-endian in\n"
    "                      the timestamp option (bytes 62 to 69), its lower 32 bits as the ISN\n";

constexpr size_t kBatch = 128;  // frames a system call
constexpr size_t kFrame = 74;   // bytes
constexpr size_t kIp = 14;      // offsets within the frame
constexpr size_t kTcp = kIp + 20;
constexpr uint32_t kMostSources = 1U << 24;
constexpr uint64_t kNanos = 1'000'000'000;  // in a second

using Frame = std::array<uint8_t, kFrame>;

volatile std::sig_atomic_t g_stop = 0;

[[noreturn]] void Die(int code, const std::string& what) {
  std::fprintf(stderr, "parallax_syn_generator: %s\n", what.c_str());
  std::exit(code);
}

void Put(Frame& frame, size_t at, uint64_t value, size_t size) {
  for (size_t i = 0; i < size; ++i) {
    frame[at + i] = static_cast<uint8_t>(value >> (8 * (size - 1 - i)));
  }
}

// Puts the Internet checksum (RFC 1071) of frame[from, to) at `at`; `sum`: of what else it covers.
void PutChecksum(Frame& frame, size_t from, size_t to, size_t at, uint32_t sum) {
  Put(frame, at, 0, 2);
  for (size_t i = from; i < to; i += 2) {
    sum += static_cast<uint32_t>(frame[i] << 8 | frame[i + 1]);
  }
  sum = (sum >> 16) + (sum & 0xffff);
  Put(frame, at, ~((sum >> 16) + sum) & 0xffff, 2);
}

using Options = std::map<std::string, std::string>;

Options ParseOptions(int argc, char** argv) {
  Options options{{"interface", ""}, {"mac", ""},   {"destination", ""}, {"sources", "0"},
                  {"count", "1e15"}, {"rate", "0"}, {"seconds", "1e6"}};
  std::vector<option> known{{"bypass", no_argument, nullptr, 0},
                            {"stamp", no_argument, nullptr, 0},
                            {"help", no_argument, nullptr, 0}};
  for (const auto& [name, value] : options) {
    known.push_back({name.c_str(), required_argument, nullptr, 0});
  }
  known.push_back({});
  int index = 0;
  for (int c = 0; (c = getopt_long(argc, argv, "", known.data(), &index)) != -1;) {
    if (c != 0) {
      std::exit(2);  // getopt_long() has said why
    }
    options[known[static_cast<size_t>(index)].name] = optarg == nullptr ? "" : optarg;
  }
  if (options.contains("help")) {
    std::exit(std::fputs(kUsage, stdout) < 0 ? 1 : 0);
  }
  if (optind < argc || options["interface"].empty() || options["mac"].empty()) {
    Die(2, "needs --interface, --mac and --destination, and nothing but options; see --help");
  }
  return options;
}

double Number(const Options& options, const std::string& name, double least, double most) {
  const std::string& text = options.at(name);
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !(value >= least && value <= most)) {
    Die(2, "--" + name + ": not a number, or out of range: \"" + text + '"');
  }
  return value;
}

// The frame that all others are made from: its source, ISN, timestamps and checksums are blank.
Frame MakeFrame(const Options& options) {
  Frame frame{};
  const std::string& mac = options.at("mac");
  int used = 0;
  if (std::sscanf(mac.c_str(), "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &frame[0], &frame[1],
                  &frame[2], &frame[3], &frame[4], &frame[5], &used) != ETH_ALEN ||
      mac[static_cast<size_t>(used)] != '\0') {
    Die(2, "--mac: not an Ethernet address: \"" + mac + '"');
  }
  const std::string& destination = options.at("destination");
  std::array<char, INET_ADDRSTRLEN> text{};
  in_addr address{};
  unsigned port = 0;
  if (std::sscanf(destination.c_str(), "%15[0-9.]:%5u%n", text.data(), &port, &used) != 2 ||
      destination[static_cast<size_t>(used)] != '\0' || port == 0 || port > UINT16_MAX ||
      inet_pton(AF_INET, text.data(), &address) != 1) {
    Die(2, "--destination: not an IPv4 address and a port: \"" + destination + '"');
  }
  Put(frame, 6, 0x0200'0000'0009'0800, 8);    // from a locally administered address; IPv4
  Put(frame, kIp, 0x4500'003c'0000'4000, 8);  // 60 bytes, not to be fragmented
  Put(frame, kIp + 8, 61 << 8 | IPPROTO_TCP, 2);
  Put(frame, kIp + 16, ntohl(address.s_addr), 4);
  Put(frame, kTcp + 2, port, 2);
  Put(frame, kTcp + 12, 0xa002'faf0, 4);            // 40 bytes, SYN, window
  Put(frame, kTcp + 20, 0x0204'05b4'0402'080a, 8);  // MSS 1460, SACK permitted, timestamps
  Put(frame, kTcp + 36, 0x0103'0307, 4);            // no-op, window scale 7
  return frame;
}

class Generator {
 public:
  explicit Generator(const Options& options)
      : sources_(static_cast<uint64_t>(Number(options, "sources", 0, kMostSources))),
        count_(static_cast<size_t>(Number(options, "count", 1, 1e15))),
        seconds_(Number(options, "seconds", 0, 1e6)),
        rate_(Number(options, "rate", 0, 1e9)),
        stamp_(options.contains("stamp")) {
    frames_.fill(MakeFrame(options));
    for (size_t i = 0; i < kBatch; ++i) {
      parts_[i] = {.iov_base = frames_[i].data(), .iov_len = kFrame};
      messages_[i].msg_hdr.msg_iov = &parts_[i];
      messages_[i].msg_hdr.msg_iovlen = 1;
    }
    const std::string& interface = options.at("interface");
    const int index = static_cast<int>(if_nametoindex(interface.c_str()));
    const sockaddr_ll to{AF_PACKET, 0, index, 0, 0, 0, {}};
    fd_ = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);  // protocol 0: receives nothing
    const int on = 1;
    if (index == 0 || fd_ < 0 ||
        bind(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 ||
        (options.contains("bypass") &&
         setsockopt(fd_, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on) != 0)) {
      Die(1, "cannot send on " + interface + ": " + strerror(errno));
    }
  }

  void Run() {
    const uint64_t start = Nanos(CLOCK_MONOTONIC);
    double elapsed = 0;  // seconds
    while (g_stop == 0 && sent_ < count_ && elapsed < seconds_) {
      const auto due = rate_ > 0 ? static_cast<size_t>(elapsed * rate_) + 1 : SIZE_MAX;
      if (due > sent_) {
        Send(std::min({kBatch, count_ - sent_, due - sent_}));
      } else {
        const double next = std::min(static_cast<double>(sent_) / rate_, seconds_);
        SleepUntil(start + static_cast<uint64_t>(next * double{kNanos}) + 1);
      }
      elapsed = static_cast<double>(Nanos(CLOCK_MONOTONIC) - start) / double{kNanos};
    }
    std::printf("{\"sent\":%zu,\"seconds\":%.3f,\"rate\":%.0f}\n", sent_, elapsed,
                elapsed > 0 ? static_cast<double>(sent_) / elapsed : 0);
  }

 private:
  static uint64_t Nanos(clockid_t clock) {
    timespec now{};
    clock_gettime(clock, &now);
    return static_cast<uint64_t>(now.tv_sec) * kNanos + static_cast<uint64_t>(now.tv_nsec);
  }
  static void SleepUntil(uint64_t nanos) {
    const timespec until{.tv_sec = static_cast<time_t>(nanos / kNanos),
                         .tv_nsec = static_cast<long>(nanos % kNanos)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);  // a signal ends it
  }

  void Send(size_t count) {
    const uint64_t stamp = stamp_ ? Nanos(CLOCK_REALTIME) : 0;
    for (size_t i = 0; i < count; ++i) {
      Frame& frame = frames_[i];
      const uint64_t dice = random_();
      Put(frame, kIp + 4, dice, 2);  // identification
      // Multiplying by an odd number permutes, so the first `sources_` addresses are different.
      const uint64_t source =
          sources_ == 0 ? (11U << 24) + random_() % (uint64_t{116} << 24)
                        : 10U << 24 | (sent_ + i + 1) % sources_ * 0x9e3779b1 % kMostSources;
      Put(frame, kIp + 12, source, 4);
      Put(frame, kTcp, 1024 + (dice >> 16) % (UINT16_MAX - 1023), 2);
      Put(frame, kTcp + 4, stamp_ ? stamp : dice >> 32, 4);
      Put(frame, kTcp + 28, stamp_ ? stamp : dice << 32, 8);  // TSval and TSecr
      PutChecksum(frame, kIp, kTcp, kIp + 10, 0);
      PutChecksum(frame, kIp + 12, kFrame, kTcp + 16, IPPROTO_TCP + kFrame - kTcp);
    }
    size_t at = 0;
    while (at < count && g_stop == 0) {
      const int done = sendmmsg(fd_, &messages_[at], static_cast<unsigned>(count - at), 0);
      if (done > 0) {
        at += static_cast<size_t>(done);
      } else if (errno == ENOBUFS || errno == EAGAIN) {
        SleepUntil(Nanos(CLOCK_MONOTONIC) + kNanos / 20'000);  // the device's queue is full
      } else if (errno != EINTR) {
        Die(1, std::string("cannot send: ") + strerror(errno));
      }
    }
    sent_ += at;
  }

  const uint64_t sources_;  // 0: random
  const size_t count_;
  const double seconds_;
  const double rate_;  // 0: as fast as it goes
  const bool stamp_;
  std::mt19937_64 random_;  // its default seed is the fixed seed
  std::array<Frame, kBatch> frames_{};
  std::array<iovec, kBatch> parts_{};
  std::array<mmsghdr, kBatch> messages_{};
  int fd_ = -1;
  size_t sent_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const auto stop = [](int) { g_stop = 1; };
  std::signal(SIGINT, stop);
  std::signal(SIGTERM, stop);
  Generator(ParseOptions(argc, argv)).Run();
  return 0;
}
