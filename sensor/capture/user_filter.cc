#include "sensor/capture/user_filter.h"

#include <fmt/format.h>
#include <pcap/pcap.h>

#include <algorithm>
#include <iterator>
#include <string_view>

#include "sensor/capture/decode.h"

namespace parallax::sensor {
namespace {

constexpr int kSnapLength = 262144;

// Words that speak of the frame. libpcap compiles "ether[0]" and "greater 60" for an IP packet
// without a link layer as well, and then means the packet's first byte and length; "not vlan" would
// hold for all.
constexpr std::string_view kFrameWords[] = {
    "ether", "link", "fddi", "tr",      "wlan", "ppp",    "slip",   "radio",
    "vlan",  "mpls", "len",  "greater", "less", "pppoes", "pppoed",
};
// Only a live socket could tell; libpcap compiles them for a file too, and matches nothing.
constexpr std::string_view kDirections[] = {"inbound", "outbound"};

bool HasWordOf(std::span<const std::string_view> words, std::string_view expression) {
  constexpr std::string_view kInWords =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:-";
  while (!expression.empty()) {
    const size_t end = std::min(expression.find_first_not_of(kInWords), expression.size());
    const std::string_view word = expression.substr(0, end);
    if (std::find(words.begin(), words.end(), word) != words.end()) {
      return true;
    }
    expression.remove_prefix(std::max<size_t>(end, 1));
  }
  return false;
}

struct PcapCloser {
  void operator()(pcap_t* pcap) const { pcap_close(pcap); }
};

}  // namespace

struct UserFilter::Program {
  Program() = default;
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program() { pcap_freecode(&code); }

  bool Matches(std::span<const uint8_t> bytes, size_t wire_length) const {
    const pcap_pkthdr header{.ts = {},
                             .caplen = static_cast<bpf_u_int32>(bytes.size()),
                             .len = static_cast<bpf_u_int32>(wire_length)};
    return pcap_offline_filter(&code, &header, bytes.data()) != 0;
  }

  bpf_program code{};
};

UserFilter::UserFilter() = default;
UserFilter::UserFilter(UserFilter&&) noexcept = default;
UserFilter& UserFilter::operator=(UserFilter&&) noexcept = default;
UserFilter::~UserFilter() = default;

Result<UserFilter> UserFilter::Compile(const std::string& expression) {
  const auto compile = [&](LinkType type, std::string* why) -> std::unique_ptr<Program> {
    const std::unique_ptr<pcap_t, PcapCloser> pcap(pcap_open_dead(DltOf(type), kSnapLength));
    auto program = std::make_unique<Program>();
    if (pcap && pcap_compile(pcap.get(), &program->code, expression.c_str(), 1,
                             PCAP_NETMASK_UNKNOWN) == 0) {
      return program;
    }
    if (why != nullptr) {
      *why = pcap ? pcap_geterr(pcap.get()) : "out of memory";
    }
    return nullptr;
  };
  if (HasWordOf(kDirections, expression)) {
    return Fail(ErrorCode::kUsage, fmt::format("--filter '{}': inbound and outbound are not told "
                                               "apart; name the host or net that is meant",
                                               expression));
  }
  UserFilter filter;
  filter.network_ = HasWordOf(kFrameWords, expression) ? nullptr : compile(LinkType::kRaw, nullptr);
  std::string why;
  if (!filter.network_) {
    for (const LinkType type : kAllLinkTypes) {
      if (auto program = compile(type, type == LinkType::kEthernet ? &why : nullptr)) {
        filter.link_.emplace(type, std::move(program));
      }
    }
    if (filter.link_.empty()) {
      return Fail(ErrorCode::kUsage, fmt::format("--filter '{}': {}", expression, why));
    }
  }
  return filter;
}

bool UserFilter::Matches(LinkType type, std::span<const uint8_t> captured,
                         uint32_t wire_length) const {
  if (network_) {
    const auto place = FindNetwork(type, captured);
    return place && network_->Matches(captured.subspan(place->offset),
                                      wire_length - std::min<size_t>(wire_length, place->offset));
  }
  const auto found = link_.find(type);
  return found != link_.end() && found->second->Matches(captured, wire_length);
}

}  // namespace parallax::sensor
