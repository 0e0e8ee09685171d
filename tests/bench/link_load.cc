// Many sensors' links in one process: real spools, real gRPC, made-up records. Loads a running
// collector, and keeps a journal of what was acknowledged, for those who kill it or this.
//
//   parallax_link_load --ca DIR --collector HOST:PORT [--sensors N] [--rate R] [--seconds S]
//                      [--loud R] [--spool DIR] [--journal FILE] [--attempts]
//
// Each sensor ("load-0" and so on, in three groups) appends R records a second; sensor 0 R of
// --loud. Records are probe reports of one try, order ids counting up per sensor from the number in
// SPOOL/load-N.next, so that a database tells what it has and has twice. Prints one JSON object.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <memory>
#include <thread>
#include <vector>

#include "collector/operate/authority.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/signals.h"
#include "common/siphash.h"
#include "sensor/link/convert.h"
#include "sensor/link/link_client.h"

namespace parallax {
namespace {

using namespace std::chrono_literals;

struct Options {
  std::string ca;
  HostPort collector;
  size_t sensors = 1;
  double rate = 100;
  double loud = 0;
  double seconds = 10;
  std::string spool;    // empty: in memory
  std::string journal;  // empty: none
  bool attempts = false;
};

int Usage(const char* why) {
  fmt::print(stderr, "parallax_link_load: {}\n", why);
  return 2;
}

Record Numbered(const Options& options, size_t sensor, uint64_t number, WallTime now) {
  if (options.attempts) {
    Attempt attempt;
    const auto client = static_cast<uint32_t>(0xc6330000u + number % 65'536);
    const uint8_t bytes[] = {static_cast<uint8_t>(client >> 24), static_cast<uint8_t>(client >> 16),
                             static_cast<uint8_t>(client >> 8), static_cast<uint8_t>(client)};
    attempt.client = {*IpAddress::FromBytes(bytes), static_cast<uint16_t>(number / 65'536 + 1024)};
    attempt.server = {*IpAddress::Parse("192.0.2.25"), 25};
    attempt.isn = static_cast<uint32_t>(number);
    attempt.first_seen = now;
    attempt.outcome = AttemptOutcome::kCompleted;
    attempt.rule = "syn_ack_once";
    attempt.syns = attempt.syn_acks = 1;
    attempt.ttl = 61;
    attempt.interface = "eth0";
    return attempt;
  }
  ProbeReport report;
  report.order_id = number;
  report.target = *IpAddress::Parse(fmt::format("198.51.{}.1", sensor % 256));
  report.started_at = now;
  report.tries.resize(1);
  report.tries[0].state = ProbeState::kAnswered;
  report.tries[0].rtt = 10ms;
  return report;
}

// One sensor: appends, and watches what is acknowledged.
class Load {
 public:
  Load(const Options& options, size_t index, TlsIdentity identity, int journal)
      : options_(options),
        index_(index),
        name_(fmt::format("load-{}", index)),
        journal_(journal),
        rate_(index == 0 && options.loud > 0 ? options.loud : options.rate) {
    sensor::SpoolOptions spool;
    spool.most_memory = options.spool.empty() ? spool.most_bytes : spool.most_memory;
    spool.new_epoch = [] { return RandomHashKey()[0] | 1; };
    spool.encode = [](const Gap& gap) { return sensor::Encode(gap); };
    if (!options.spool.empty()) {
      const std::string folder = options.spool + "/" + name_;
      const auto next = ReadSmallFile(folder + ".next");
      number_ = next ? std::strtoull(next->c_str(), nullptr, 10) : 1;
      spool_ = std::make_unique<sensor::Spool>(
          spool, [folder] { return sensor::OpenSpoolFolder(folder); });
      spool_->Keep(Now());
    } else {
      spool_ = std::make_unique<sensor::Spool>(spool, nullptr);
    }
    sensor::LinkOptions link;
    link.addresses = {options.collector};
    link.identity = std::make_shared<IdentityHolder>(std::move(identity));
    link.hello = {kLinkProtocol, PARALLAX_VERSION, {}, {}, {}};
    link_ = std::make_unique<sensor::LinkClient>(
        std::move(link), *spool_,
        [this] {
          ++healths_;
          SensorHealth health;
          health.probing = true;
          health.said_at = Now().wall;
          return health;
        },
        [](const Order&) {});
    thread_ = std::thread([this] { link_->Run(); });
  }

  // What is due by now.
  void Append(Duration elapsed, Moment now) {
    const auto due = static_cast<uint64_t>(ToSeconds(elapsed) * rate_);
    for (; appended_ < due; ++appended_, ++number_) {
      if (!options_.spool.empty() && number_ >= reserved_) {
        Reserve();
      }
      spool_->Append(Kind(), sensor::Encode(Numbered(options_, index_, number_, now.wall)), now);
      waiting_.push_back({number_, now.mono});
    }
  }

  // Notes what was acknowledged meanwhile.
  void Watch(MonoTime now) {
    for (const sensor::Spool::Lane& lane : spool_->Lanes()) {
      if (lane.kind != Kind() || !lane.live) {
        continue;
      }
      if (lane.epoch != epoch_) {  // turned: what waits is in older epochs, and is not timed
        base_ = epoch_ == 0 ? base_ : lane.first - 1;
        if (epoch_ != 0) {
          for (uint64_t skip = waiting_.size(); skip > lane.last; --skip) {
            waiting_.pop_front();
          }
          base_ = 0;
        }
        epoch_ = lane.epoch;
      }
      const uint64_t acked = lane.acked;
      if (acked > base_) {
        ++acks_;
      }
      std::string text;
      for (; base_ < acked && !waiting_.empty(); ++base_) {
        latencies_.push_back(ToMillis(now - waiting_.front().second));
        if (journal_ >= 0) {
          text += fmt::format("{} {}\n", name_, waiting_.front().first);
        }
        waiting_.pop_front();
        ++acked_;
      }
      if (!text.empty() && ::write(journal_, text.data(), text.size()) < 0) {
        std::abort();
      }
    }
  }

  void Keep() { spool_->Keep(Now()); }
  void Close() {
    link_->Stop();
    thread_.join();
    spool_->Close(Now());
  }
  void Stop() { link_->Stop(); }

  const std::string& name() const { return name_; }
  uint64_t appended() const { return appended_; }
  uint64_t acked() const { return acked_; }
  uint64_t waiting() const { return spool_->stats().records; }
  uint64_t dropped() const { return spool_->stats().dropped; }
  int healths() const { return healths_; }
  std::vector<double>& latencies() { return latencies_; }

 private:
  RecordClass Kind() const {
    return options_.attempts ? RecordClass::kBulk : RecordClass::kResults;
  }

  // Numbers are never given twice, also by the next one after this was killed.
  void Reserve() {
    constexpr uint64_t kAtOnce = 10'000;
    reserved_ = number_ + kAtOnce;
    const auto saved = WriteFileAtomically(options_.spool + "/" + name_ + ".next",
                                           std::to_string(reserved_), 0600, true);
    if (!saved) {
      std::abort();
    }
  }

  const Options& options_;
  const size_t index_;
  const std::string name_;
  const int journal_;
  const double rate_;
  std::unique_ptr<sensor::Spool> spool_;
  std::unique_ptr<sensor::LinkClient> link_;
  std::thread thread_;
  std::atomic<int> healths_ = 0;
  uint64_t number_ = 1;
  uint64_t reserved_ = 0;
  uint64_t appended_ = 0;
  uint64_t acked_ = 0;
  uint64_t acks_ = 0;
  uint64_t epoch_ = 0;
  uint64_t base_ = 0;  // sequence of the epoch up to which acknowledgements were seen
  std::deque<std::pair<uint64_t, MonoTime>> waiting_;
  std::vector<double> latencies_;
};

double At(std::vector<double>& sorted, double share) {
  return sorted.empty()
             ? 0
             : sorted[static_cast<size_t>(share * static_cast<double>(sorted.size() - 1))];
}

std::atomic<bool> over = false;

int Run(const Options& options) {
  const auto certificate = ReadSmallFile(options.ca + "/ca.pem");
  const auto key = ReadSmallFile(options.ca + "/ca.key");
  if (!certificate || !key) {
    return Usage("--ca: no ca.pem and ca.key there");
  }
  InitLog(LogLevel::kError);
  std::signal(SIGTERM, [](int) { over = true; });
  std::signal(SIGINT, [](int) { over = true; });
  int journal = -1;
  if (!options.journal.empty()) {
    journal = ::open(options.journal.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (journal < 0) {
      return Usage("--journal: cannot be opened");
    }
  }
  if (!options.spool.empty()) {
    std::filesystem::create_directories(options.spool);
  }
  std::vector<std::unique_ptr<Load>> loads;
  for (size_t i = 0; i < options.sensors; ++i) {
    const PeerName peer{fmt::format("group-{}", i % 3), fmt::format("load-{}", i)};
    const auto pair = collector::IssueSensor({*certificate, *key}, peer, Now().wall);
    if (!pair) {
      return Usage(pair.error().message.c_str());
    }
    loads.push_back(std::make_unique<Load>(
        options, i, TlsIdentity{*certificate, pair->certificate_pem, pair->key_pem}, journal));
  }
  const Moment start = Now();
  MonoTime next_keep{};
  while (!over) {
    const Moment now = Now();
    const Duration elapsed = now.mono - start.mono;
    const bool appending = ToSeconds(elapsed) < options.seconds;
    uint64_t waiting = 0;
    const bool keep = now.mono >= next_keep;
    next_keep = keep ? now.mono + 200ms : next_keep;
    for (const auto& load : loads) {
      if (appending) {
        load->Append(elapsed, now);
      }
      load->Watch(Now().mono);
      if (keep && !options.spool.empty()) {
        load->Keep();
      }
      waiting += appending ? 1 : load->waiting();
    }
    if (waiting == 0 || ToSeconds(elapsed) > options.seconds + 60) {
      break;
    }
    std::this_thread::sleep_for(5ms);  // the pace of the load
  }
  const double seconds = ToSeconds(Now().mono - start.mono);
  for (const auto& load : loads) {
    load->Stop();
  }
  for (const auto& load : loads) {
    load->Watch(Now().mono);
    load->Close();
  }
  uint64_t appended = 0;
  uint64_t waiting = 0;
  uint64_t dropped = 0;
  uint64_t unheard = 0;
  double worst = 1;
  std::vector<double> all;
  std::vector<double> loud;
  for (size_t i = 0; i < loads.size(); ++i) {
    appended += loads[i]->appended();
    waiting += loads[i]->waiting();
    dropped += loads[i]->dropped();
    unheard += loads[i]->healths() == 0 ? 1 : 0;
    const bool is_loud = i == 0 && options.loud > 0;
    if (loads[i]->appended() > 0 && !is_loud) {
      worst = std::min(worst, 1 - static_cast<double>(loads[i]->waiting()) /
                                      static_cast<double>(loads[i]->appended()));
    }
    auto& to = is_loud ? loud : all;
    to.insert(to.end(), loads[i]->latencies().begin(), loads[i]->latencies().end());
  }
  std::sort(all.begin(), all.end());
  std::sort(loud.begin(), loud.end());
  fmt::print(
      "{{\"sensors\": {}, \"seconds\": {:.1f}, \"appended\": {}, \"waiting\": {}, "
      "\"dropped\": {}, \"never_connected\": {}, \"rows_per_second\": {:.0f}, "
      "\"ack_ms\": {{\"p50\": {:.1f}, \"p99\": {:.1f}, \"max\": {:.1f}}}, "
      "\"loud_ack_ms\": {{\"p50\": {:.1f}, \"p99\": {:.1f}}}, \"worst_share\": {:.3f}}}\n",
      options.sensors, seconds, appended, waiting, dropped, unheard,
      static_cast<double>(appended - waiting) / seconds, At(all, 0.5), At(all, 0.99), At(all, 1),
      At(loud, 0.5), At(loud, 0.99), worst);
  return waiting == 0 ? 0 : 1;
}

int Main(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--attempts") {
      options.attempts = true;
      continue;
    }
    if (i + 1 >= argc) {
      return Usage("an option without a value");
    }
    const std::string value = argv[++i];
    if (word == "--ca") {
      options.ca = value;
    } else if (word == "--collector") {
      const auto address = ParseHostPort(value);
      if (!address) {
        return Usage("--collector: not HOST:PORT");
      }
      options.collector = *address;
    } else if (word == "--sensors") {
      options.sensors = std::strtoul(value.c_str(), nullptr, 10);
    } else if (word == "--rate") {
      options.rate = std::strtod(value.c_str(), nullptr);
    } else if (word == "--loud") {
      options.loud = std::strtod(value.c_str(), nullptr);
    } else if (word == "--seconds") {
      options.seconds = std::strtod(value.c_str(), nullptr);
    } else if (word == "--spool") {
      options.spool = value;
    } else if (word == "--journal") {
      options.journal = value;
    } else {
      return Usage("unknown option");
    }
  }
  return options.ca.empty() || options.collector.host.empty()
             ? Usage("--ca and --collector are needed")
             : Run(options);
}

}  // namespace
}  // namespace parallax

int main(int argc, char** argv) { return parallax::Main(argc, argv); }
