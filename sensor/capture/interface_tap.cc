#include "sensor/capture/interface_tap.h"

#include <fmt/format.h>
#include <linux/if_packet.h>
#include <pcap/pcap.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <utility>

#include "common/log.h"
#include "sensor/capture/bpf_program.h"
#include "sensor/capture/decode.h"
#include "sensor/capture/interfaces.h"
#include "sensor/capture/user_filter.h"

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

constexpr Duration kFirstRetry = 1s;
constexpr Duration kLastRetry = 30s;
// A stamp further back than this is a wall clock that was set, not a frame that waited.
constexpr Duration kMostWaited = 10s;
constexpr Duration kSilentAfter = 60s;
// A ring block is 256 KiB; fewer than a handful of them cannot be filled and emptied at once.
constexpr size_t kLeastRing = size_t{2} << 20;
constexpr size_t kMostRing = size_t{1} << 30;
// Where RIP and OSPF speak, IPv4 and IPv6: a network card need not hear it unless it is asked to.
// What goes to all hosts, it does.
constexpr uint8_t kGroups[][6] = {{0x01, 0x00, 0x5e, 0x00, 0x00, 0x09},
                                  {0x01, 0x00, 0x5e, 0x00, 0x00, 0x05},
                                  {0x33, 0x33, 0x00, 0x00, 0x00, 0x09},
                                  {0x33, 0x33, 0x00, 0x00, 0x00, 0x05}};

struct PcapCloser {
  void operator()(pcap_t* pcap) const { pcap_close(pcap); }
};

size_t RingBytesEach(const LiveCaptureOptions& options) {
  const size_t share = options.ring_bytes / std::max<size_t>(1, options.interfaces.size());
  return std::clamp(share, kLeastRing, kMostRing);
}

// Asks the card, as long as the socket is open; the network hears nothing of it. Where there are no
// such addresses, it is not to be had, and not needed.
void ListenToGroups(int fd, unsigned index) {
  for (const auto& group : kGroups) {
    packet_mreq request{};
    request.mr_ifindex = static_cast<int>(index);
    request.mr_type = PACKET_MR_MULTICAST;
    request.mr_alen = sizeof group;
    std::copy(std::begin(group), std::end(group), request.mr_address);
    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request, sizeof request);
  }
}

std::string ProgramPath() {
  std::error_code ignored;
  const auto path = std::filesystem::read_symlink("/proc/self/exe", ignored);
  return path.empty() ? "PROGRAM" : path.string();
}

Error ActivationError(const std::string& name, int status, const char* detail) {
  switch (status) {
    case PCAP_ERROR_NO_SUCH_DEVICE:
      return NoSuchInterface(name);
    case PCAP_ERROR_PERM_DENIED:
    case PCAP_ERROR_PROMISC_PERM_DENIED:
      return {ErrorCode::kPermission,
              fmt::format("no permission to capture on {}; run as root, or once: "
                          "sudo setcap cap_net_raw+ep {}",
                          name, ProgramPath())};
    default:
      return {ErrorCode::kFailure,
              fmt::format("cannot capture on {}: {}{}{}", name, pcap_statustostr(status),
                          *detail == '\0' ? "" : ": ", detail)};
  }
}

}  // namespace

struct InterfaceTap::Handle {
  std::unique_ptr<pcap_t, PcapCloser> pcap;
  LinkType link_type = LinkType::kEthernet;
  bool nanoseconds = true;
  int fd = -1;
};

InterfaceTap::InterfaceTap(std::string name, const LiveCaptureOptions& options)
    : name_(std::move(name)), options_(options) {}

InterfaceTap::~InterfaceTap() = default;

int InterfaceTap::fd() const { return handle_ ? handle_->fd : -1; }

Result<void> InterfaceTap::Open() {
  const HostInterface interface = FindInterface(name_);
  if (interface.index == 0 && !IsPseudo()) {
    return tl::make_unexpected(NoSuchInterface(name_));
  }
  char reason[PCAP_ERRBUF_SIZE] = "";
  auto handle = std::make_unique<Handle>();
  handle->pcap.reset(pcap_create(name_.c_str(), reason));
  pcap_t* const pcap = handle->pcap.get();
  if (pcap == nullptr) {
    return Fail(ErrorCode::kFailure, fmt::format("cannot capture on {}: {}", name_, reason));
  }
  pcap_set_snaplen(pcap, options_.announcements == AnnouncementScope::kNone
                             ? options_.snap_length
                             : std::max(options_.snap_length, kAnnouncementSnapLength));
  pcap_set_promisc(pcap, options_.promiscuous ? 1 : 0);
  pcap_set_timeout(pcap, static_cast<int>(options_.block_timeout.count()));
  pcap_set_buffer_size(pcap, static_cast<int>(RingBytesEach(options_)));
  handle->nanoseconds = pcap_set_tstamp_precision(pcap, PCAP_TSTAMP_PRECISION_NANO) == 0;
  if (const int status = pcap_activate(pcap); status < 0) {
    if (status == PCAP_ERROR_IFACE_NOT_UP) {
      Enter(State::kDown, "");
      return {};
    }
    return tl::make_unexpected(ActivationError(name_, status, pcap_geterr(pcap)));
  }
  handle->nanoseconds = pcap_get_tstamp_precision(pcap) == PCAP_TSTAMP_PRECISION_NANO;

  const auto link_type = LinkTypeFromDlt(pcap_datalink(pcap));
  if (!link_type) {
    const char* dlt = pcap_datalink_val_to_name(pcap_datalink(pcap));
    return Fail(ErrorCode::kFailure, fmt::format("cannot capture on {}: link type {} is not "
                                                 "supported",
                                                 name_, dlt == nullptr ? "unknown" : dlt));
  }
  handle->link_type = *link_type;
  std::vector<bpf_insn> instructions;
  for (const BpfInstruction& i :
       MakeCaptureFilter(*link_type, options_.scope, options_.announcements)) {
    instructions.push_back({i.code, i.jt, i.jf, i.k});
  }
  bpf_program program{static_cast<u_int>(instructions.size()), instructions.data()};
  if (pcap_setfilter(pcap, &program) != 0 || pcap_setnonblock(pcap, 1, reason) != 0) {
    return Fail(ErrorCode::kFailure,
                fmt::format("cannot capture on {}: {} {}", name_, pcap_geterr(pcap), reason));
  }
  handle->fd = pcap_get_selectable_fd(pcap);
  if (options_.announcements != AnnouncementScope::kNone && *link_type == LinkType::kEthernet) {
    ListenToGroups(handle->fd, interface.index);
  }
  handle_ = std::move(handle);
  index_ = interface.index;
  back_off_ = Duration::zero();
  was_open_ = true;
  heard_at_ = MonoTime();
  Enter(interface.up || IsPseudo() ? State::kUp : State::kDown, "");
  return {};
}

void InterfaceTap::Close(MonoTime now, const LossSink& loss) {
  if (handle_) {
    CountDrops(now, loss);
    handle_.reset();
  }
}

// What pcap_dispatch() hands to its callback.
struct InterfaceTap::Batch {
  const InterfaceTap& tap;
  const Moment now;
  const Sink& sink;
  const AnnouncementSink& announcement;
};

void InterfaceTap::Take(const Batch& batch, std::span<const uint8_t> captured, uint32_t wire_length,
                        WallTime stamp) const {
  const LinkType link = handle_->link_type;
  const auto segment = DecodeSegment(link, captured, wire_length, options_.scope);
  const auto packet = segment || options_.announcements == AnnouncementScope::kNone
                          ? std::nullopt
                          : FindAnnouncement(link, captured, wire_length);
  if ((!segment && !packet) ||  // queued before the filter was in place
      (options_.filter != nullptr && !options_.filter->Matches(link, captured, wire_length))) {
    return;
  }
  const Duration waited = batch.now.wall - stamp;
  const bool plausible = waited > Duration::zero() && waited < kMostWaited;
  const MonoTime seen = plausible ? batch.now.mono - waited : batch.now.mono;
  if (segment) {
    batch.sink({.segment = *segment,
                .stamp = stamp,
                .seen = seen,
                .interface = name_,
                .frame = 0,
                .wire_length = wire_length});
  } else {
    batch.announcement(
        {.packet = *packet, .stamp = stamp, .seen = seen, .interface = name_, .frame = 0});
  }
}

void InterfaceTap::Dispatch(int most, const Sink& sink, const AnnouncementSink& announcement,
                            const LossSink& loss) {
  if (!handle_) {
    return;
  }
  Batch batch{*this, Now(), sink, announcement};
  CountDrops(batch.now.mono, loss);
  const auto each = [](u_char* user, const pcap_pkthdr* header, const u_char* bytes) {
    auto& b = *reinterpret_cast<Batch*>(user);
    const auto fraction = Duration(header->ts.tv_usec) * (b.tap.handle_->nanoseconds ? 1 : 1000);
    b.tap.Take(b, {bytes, header->caplen}, header->len,
               WallTime(std::chrono::seconds(header->ts.tv_sec) + fraction));
  };
  const int count =
      pcap_dispatch(handle_->pcap.get(), most, each, reinterpret_cast<u_char*>(&batch));
  if (count < 0 && count != PCAP_ERROR_BREAK) {
    const std::string why = pcap_geterr(handle_->pcap.get());
    Close(batch.now.mono, loss);
    retry_at_ = batch.now.mono;
    Enter(FindInterface(name_).index != index_ ? State::kGone : State::kDown, why);
  }
}

void InterfaceTap::Look(MonoTime now, const LossSink& loss) {
  const HostInterface interface = FindInterface(name_);
  const bool present = interface.index != 0 || IsPseudo();
  if (handle_ && interface.index != index_) {
    Close(now, loss);  // bound to an interface that is no more; its namesake may be there
    Enter(State::kGone, "");
    retry_at_ = now;
  }
  if (handle_) {
    CountDrops(now, loss);
    if (IsPseudo()) {
      Enter(State::kUp, "");
    } else if (!interface.up) {
      Enter(State::kDown, "");
    } else {
      const std::string silence = Silence(interface.carrier, now);
      Enter(silence.empty() ? State::kUp : State::kSilent, silence);
    }
    return;
  }
  if (!present) {
    Enter(State::kGone, "");
    return;
  }
  // Frames come and go there, and we do not see them; the same until the handle is open again.
  if (was_open_ && loss) {
    loss({.interface = name_, .until = now, .packets = 0});
  }
  if (now < retry_at_) {
    return;
  }
  if (auto opened = Open(); !opened) {
    Enter(opened.error().code == ErrorCode::kPermission ? State::kNoPermission : State::kDown,
          opened.error().message);
  }
  if (!handle_) {
    back_off_ = std::clamp(back_off_ * 2, kFirstRetry, kLastRetry);
    retry_at_ = now + back_off_;
  }
}

void InterfaceTap::CountDrops(MonoTime now, const LossSink& loss) {
  // What pcap_stats() would add up in 32 bits, which wrap. The kernel starts anew at each reading;
  // tp_packets counts what passed the filter, dropped or not.
  tpacket_stats_v3 stats{};
  socklen_t size = sizeof stats;
  if (getsockopt(handle_->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size) != 0) {
    return;
  }
  received_ += stats.tp_packets;
  dropped_ += stats.tp_drops;
  if (stats.tp_drops > 0 && loss) {
    loss({.interface = name_, .until = now, .packets = stats.tp_drops});
  }
}

std::string InterfaceTap::Silence(bool carrier, MonoTime now) {
  if (!carrier) {
    return "no carrier";
  }
  const uint64_t frames = FramesReceived(name_).value_or(0);
  if (frames != frames_heard_ || heard_at_ == MonoTime()) {
    frames_heard_ = frames;
    heard_at_ = now;
  }
  return now - heard_at_ < kSilentAfter ? "" : "no frame received for a minute";
}

void InterfaceTap::Enter(State state, const std::string& why) {
  if (state == state_) {
    return;
  }
  state_ = state;
  if (state != State::kUp) {
    troubled_ = true;
    LogWarning("interface {}: {}{}{}; {}", name_, Health().state, why.empty() ? "" : ": ", why,
               handle_ ? "still listening" : "its capture goes on when it is back");
  } else if (std::exchange(troubled_, false)) {
    LogWarning("interface {}: up, capturing again",
               name_);  // who heard the one should hear the other
  } else {
    LogInfo("interface {}: capturing", name_);
  }
}

InterfaceHealth InterfaceTap::Health() const {
  std::string_view state;
  switch (state_) {
    case State::kUp:
      state = "up";
      break;
    case State::kSilent:
      state = "silent";
      break;
    case State::kDown:
      state = "down";
      break;
    case State::kGone:
      state = "gone";
      break;
    case State::kNoPermission:
      state = "no_permission";
      break;
  }
  return {.name = name_,
          .state = std::string(state),
          .packets_received = received_,
          .packets_dropped = dropped_};
}

}  // namespace parallax::sensor
