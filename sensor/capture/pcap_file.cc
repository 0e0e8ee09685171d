#include "sensor/capture/pcap_file.h"

#include <errno.h>
#include <fmt/format.h>
#include <pcap/pcap.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "common/fd.h"

namespace parallax::sensor {
namespace {

constexpr size_t kReadAhead = size_t{1} << 18;
// A damaged file may claim any time; within these bounds (1970 to 2115) the difference of any two
// stamps still fits into a Duration.
constexpr time_t kLastSecond = 4'600'000'000;

std::string NameOfDlt(int dlt) {
  const char* name = pcap_datalink_val_to_name(dlt);
  return name == nullptr ? fmt::format("number {}", dlt) : fmt::format("{} ({})", name, dlt);
}

std::string ReadableLinkTypes() {
  std::string names;
  for (const LinkType type : kAllLinkTypes) {
    names += names.empty() ? "" : ", ";
    names += ToString(type);
  }
  return names;
}

}  // namespace

struct PcapFile::Impl {
  ~Impl() {
    if (pcap != nullptr) {
      pcap_close(pcap);  // closes `stream` unless that is stdin
    } else if (stream != nullptr && stream != stdin) {
      std::fclose(stream);
    }
  }

  std::string name;
  std::vector<char> read_ahead = std::vector<char>(kReadAhead);  // outlives `stream`
  std::FILE* stream = nullptr;
  pcap_t* pcap = nullptr;
  LinkType link_type = LinkType::kEthernet;
  uint64_t frames = 0;
};

PcapFile::PcapFile(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PcapFile::PcapFile(PcapFile&&) noexcept = default;
PcapFile& PcapFile::operator=(PcapFile&&) noexcept = default;
PcapFile::~PcapFile() = default;

LinkType PcapFile::link_type() const { return impl_->link_type; }

Result<PcapFile> PcapFile::Open(const std::string& path) {
  auto impl = std::make_unique<Impl>();
  impl->name = path == "-" ? "standard input" : path;
  impl->stream = path == "-" ? stdin : std::fopen(path.c_str(), "rbe");
  if (impl->stream == nullptr) {
    return tl::make_unexpected(ErrnoError(path, errno));
  }
  struct stat status {};
  if (fstat(fileno(impl->stream), &status) == 0 && S_ISDIR(status.st_mode)) {
    return Fail(ErrorCode::kFailure,
                fmt::format("{}: is a folder; name a pcap or pcapng file", impl->name));
  }
  std::setvbuf(impl->stream, impl->read_ahead.data(), _IOFBF, impl->read_ahead.size());

  char reason[PCAP_ERRBUF_SIZE] = "";
  impl->pcap =
      pcap_fopen_offline_with_tstamp_precision(impl->stream, PCAP_TSTAMP_PRECISION_NANO, reason);
  if (impl->pcap == nullptr) {
    return Fail(ErrorCode::kFailure,
                fmt::format("{}: not a pcap or pcapng capture ({})", impl->name, reason));
  }
  const int dlt = pcap_datalink(impl->pcap);
  const auto link_type = LinkTypeFromDlt(dlt);
  if (!link_type) {
    return Fail(ErrorCode::kFailure,
                fmt::format("{}: link type {} is not supported (supported: {})", impl->name,
                            NameOfDlt(dlt), ReadableLinkTypes()));
  }
  impl->link_type = *link_type;
  return PcapFile(std::move(impl));
}

Result<bool> PcapFile::Next(Frame& frame) {
  pcap_pkthdr* header = nullptr;
  const u_char* bytes = nullptr;
  const int got = pcap_next_ex(impl_->pcap, &header, &bytes);
  if (got == PCAP_ERROR_BREAK) {
    return false;
  }
  if (got != 1) {
    return Fail(ErrorCode::kFailure,
                fmt::format("{}: cut short or damaged after frame {} ({})", impl_->name,
                            impl_->frames, pcap_geterr(impl_->pcap)));
  }
  frame.captured = {bytes, header->caplen};
  frame.wire_length = header->len;
  // With nanosecond precision tv_usec holds nanoseconds.
  const auto seconds = std::clamp<time_t>(header->ts.tv_sec, 0, kLastSecond);
  frame.stamp = WallTime(std::chrono::seconds(seconds) + Duration(header->ts.tv_usec));
  frame.number = ++impl_->frames;
  return true;
}

}  // namespace parallax::sensor
