#include "sensor/capture/capture_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

constexpr uint32_t kMagicMicros = 0xa1b2c3d4;
constexpr uint32_t kMagicNanos = 0xa1b23c4d;
constexpr uint32_t kMagicKuznetsov = 0xa1b2cd34;  // Linux patches of the late 1990s
constexpr uint32_t kMagicSection = 0x0a0d0d0a;    // reads the same in both byte orders
constexpr uint32_t kByteOrder = 0x1a2b3c4d;

constexpr size_t kFileHeader = 24;
constexpr uint32_t kLongestFrame = 262144;      // libpcap's and Wireshark's limit
constexpr uint32_t kLinkTypeMask = 0x03ffffff;  // above: length of the frame check sequence

constexpr uint32_t kInterfaceBlock = 1;
constexpr uint32_t kOldPacketBlock = 2;
constexpr uint32_t kSimplePacketBlock = 3;
constexpr uint32_t kEnhancedPacketBlock = 6;
constexpr size_t kBlockOverhead = 12;  // type, length, and the length again at the end
constexpr size_t kMostInterfaces = 65536;
constexpr uint16_t kOptionEnd = 0;
constexpr uint16_t kOptionName = 2;
constexpr uint16_t kOptionResolution = 9;
constexpr uint16_t kOptionOffset = 14;
constexpr size_t kLongestName = 64;
constexpr size_t kMostNameBytes = size_t{1} << 20;  // of all names; later ones stay nameless

// A damaged file may claim any time; within these bounds (1970 to 2115) the difference of any two
// stamps still fits into a Duration.
constexpr int64_t kLastSecond = 4'600'000'000;

uint32_t NativeU32(const uint8_t* at) {
  uint32_t value = 0;
  std::memcpy(&value, at, sizeof value);
  return value;
}

WallTime Stamp(int64_t seconds, int64_t nanos) {
  const bool sane = seconds >= 0 && seconds <= kLastSecond;
  return WallTime(std::chrono::seconds(std::clamp<int64_t>(seconds, 0, kLastSecond)) +
                  Duration(sane ? nanos : 0));
}

// REQUIRES: ticks < units_per_second.
uint64_t Nanoseconds(uint64_t ticks, uint64_t units_per_second) {
  constexpr uint64_t kNanos = 1'000'000'000;
  if (units_per_second <= kNanos) {  // the usual, without a wide division
    return ticks * kNanos / units_per_second;
  }
  __extension__ using Wide = unsigned __int128;
  return static_cast<uint64_t>(Wide{ticks} * kNanos / units_per_second);
}

tl::unexpected<Error> Damaged(std::string what) {
  return Fail(ErrorCode::kFailure, std::move(what));
}

}  // namespace

uint16_t CaptureParser::U16(const uint8_t* at) const {
  uint16_t value = 0;
  std::memcpy(&value, at, sizeof value);
  return swapped_ ? __builtin_bswap16(value) : value;
}

uint32_t CaptureParser::U32(const uint8_t* at) const {
  const uint32_t value = NativeU32(at);
  return swapped_ ? __builtin_bswap32(value) : value;
}

uint64_t CaptureParser::U64(const uint8_t* at) const {
  uint64_t value = 0;
  std::memcpy(&value, at, sizeof value);
  return swapped_ ? __builtin_bswap64(value) : value;
}

std::optional<int> CaptureParser::pcap_link_number() const {
  return format_ == Format::kPcap ? std::optional(interfaces_.front().link_number) : std::nullopt;
}

Result<CaptureParser::Parsed> CaptureParser::Parse(std::span<const uint8_t> window,
                                                   SavedFrame& frame) {
  switch (format_) {
    case Format::kPcap:
      return ParseRecord(window, frame);
    case Format::kPcapng:
      return ParseBlock(window, frame);
    case Format::kUnknown:
      break;
  }
  return ParseFileHeader(window);
}

Result<CaptureParser::Parsed> CaptureParser::ParseFileHeader(std::span<const uint8_t> window) {
  if (window.size() < 4) {
    return Parsed{Step::kMore, 4};
  }
  const uint32_t magic = NativeU32(window.data());
  if (magic == kMagicSection) {
    format_ = Format::kPcapng;
    return Parsed{Step::kSkip, 0};
  }
  const uint32_t turned = __builtin_bswap32(magic);
  const auto is = [&](uint32_t known) { return magic == known || turned == known; };
  if (!is(kMagicMicros) && !is(kMagicNanos) && !is(kMagicKuznetsov)) {
    return Damaged(fmt::format("starts with {:02x} {:02x} {:02x} {:02x}", window[0], window[1],
                               window[2], window[3]));
  }
  if (window.size() < kFileHeader) {
    return Parsed{Step::kMore, kFileHeader};
  }
  swapped_ = turned == kMagicMicros || turned == kMagicNanos || turned == kMagicKuznetsov;
  nanoseconds_ = is(kMagicNanos);
  record_header_ = is(kMagicKuznetsov) ? 24 : 16;
  const unsigned major = U16(&window[4]);
  const unsigned minor = U16(&window[6]);
  if (major != 2 && major != 543) {  // 543: DG/UX
    return Damaged(fmt::format("version {}.{} of the format is not known", major, minor));
  }
  lengths_swapped_ = major == 543 || minor < 3;
  lengths_mixed_up_ = minor == 3;
  const int number = static_cast<int>(U32(&window[20]) & kLinkTypeMask);
  interfaces_.push_back({.link_number = number,
                         .link_type = LinkTypeFromDlt(number),
                         .units_per_second = nanoseconds_ ? 1'000'000'000u : 1'000'000u,
                         .name = {}});
  format_ = Format::kPcap;
  return Parsed{Step::kSkip, kFileHeader};
}

Result<CaptureParser::Parsed> CaptureParser::ParseRecord(std::span<const uint8_t> window,
                                                         SavedFrame& frame) {
  if (window.size() < record_header_) {
    return Parsed{Step::kMore, record_header_};
  }
  const uint8_t* const header = window.data();
  uint32_t length = U32(header + 8);
  uint32_t wire_length = U32(header + 12);
  if (lengths_swapped_ || (lengths_mixed_up_ && length > wire_length)) {
    std::swap(length, wire_length);
  }
  if (length > kLongestFrame) {
    return Damaged(fmt::format("a frame of {} bytes", length));
  }
  const size_t whole = record_header_ + length;
  if (window.size() < whole) {
    return Parsed{Step::kMore, whole};
  }
  const Interface& interface = interfaces_.front();
  frame.captured = window.subspan(record_header_, length);
  frame.wire_length = std::max(wire_length, length);
  frame.stamp = Stamp(U32(header), int64_t{U32(header + 4)} * (nanoseconds_ ? 1 : 1000));
  frame.link_number = interface.link_number;
  frame.link_type = interface.link_type;
  frame.interface = {};
  return Parsed{Step::kFrame, whole};
}

Result<CaptureParser::Parsed> CaptureParser::ParseBlock(std::span<const uint8_t> window,
                                                        SavedFrame& frame) {
  if (window.size() < kBlockOverhead) {
    return Parsed{Step::kMore, kBlockOverhead};
  }
  const bool section = NativeU32(window.data()) == kMagicSection;
  if (section) {
    const uint32_t order = NativeU32(&window[8]);
    if (order != kByteOrder && order != __builtin_bswap32(kByteOrder)) {
      return Damaged("a section header without a byte order");
    }
    swapped_ = order != kByteOrder;
  }
  const uint32_t type = section ? kMagicSection : U32(window.data());
  const uint32_t length = U32(&window[4]);
  if (length < kBlockOverhead || length % 4 != 0) {
    return Damaged(fmt::format("a block of {} bytes", length));
  }
  const bool wanted = section || type == kInterfaceBlock || type == kOldPacketBlock ||
                      type == kSimplePacketBlock || type == kEnhancedPacketBlock;
  if (!wanted) {
    return Parsed{Step::kSkip, length};
  }
  if (length > kLongestItem) {
    return Damaged(fmt::format("a block of {} bytes", length));
  }
  if (window.size() < length) {
    return Parsed{Step::kMore, length};
  }
  if (U32(&window[length - 4]) != length) {
    return Damaged("a block whose two lengths differ");
  }
  const auto body = window.subspan(8, length - kBlockOverhead);
  Result<void> done;
  if (section) {
    done = ParseSection(body);
  } else if (type == kInterfaceBlock) {
    done = ParseInterface(body);
  } else {
    done = ParsePacket(body, type, frame);
    if (done) {
      return Parsed{Step::kFrame, length};
    }
  }
  if (!done) {
    return tl::make_unexpected(done.error());
  }
  return Parsed{Step::kSkip, length};
}

Result<void> CaptureParser::ParseSection(std::span<const uint8_t> body) {
  if (body.size() < 16) {
    return Damaged("a section header that is too short");
  }
  if (const unsigned major = U16(&body[4]); major != 1) {
    return Damaged(fmt::format("version {}.{} of the format is not known", major, U16(&body[6])));
  }
  interfaces_.clear();
  return {};
}

Result<void> CaptureParser::ParseInterface(std::span<const uint8_t> body) {
  if (body.size() < 8) {
    return Damaged("an interface description that is too short");
  }
  if (interfaces_.size() >= kMostInterfaces) {
    return Damaged("more than 65536 interfaces");
  }
  Interface interface;
  interface.link_number = U16(&body[0]);
  interface.link_type = LinkTypeFromDlt(interface.link_number);
  interface.snap_length = U32(&body[4]);
  for (auto rest = body.subspan(8); rest.size() >= 4;) {
    const uint16_t option = U16(&rest[0]);
    const size_t size = U16(&rest[2]);
    const size_t padded = (size + 3) / 4 * 4;
    if (option == kOptionEnd) {
      break;
    }
    if (padded > rest.size() - 4) {
      return Damaged("an interface description with an option that runs past its end");
    }
    const uint8_t* const value = rest.data() + 4;
    if (option == kOptionName) {
      interface.name = Intern({reinterpret_cast<const char*>(value), size});
    } else if (option == kOptionResolution && size == 1) {
      const unsigned power = *value & 0x7fu;
      const bool binary = (*value & 0x80) != 0;
      if (power > (binary ? 63u : 19u)) {
        return Damaged("an interface description with an impossible clock");
      }
      interface.units_per_second = 1;
      for (unsigned i = 0; i < power; ++i) {
        interface.units_per_second *= binary ? 2 : 10;
      }
    } else if (option == kOptionOffset && size == 8) {
      interface.offset_seconds = static_cast<int64_t>(U64(value));
    }
    rest = rest.subspan(4 + padded);
  }
  interfaces_.push_back(interface);
  return {};
}

Result<void> CaptureParser::ParsePacket(std::span<const uint8_t> body, uint32_t type,
                                        SavedFrame& frame) {
  if (type == kSimplePacketBlock) {
    if (body.size() < 4) {
      return Damaged("a packet block that is too short");
    }
    const uint32_t wire_length = U32(&body[0]);
    const uint32_t limit = interfaces_.empty() ? 0 : interfaces_.front().snap_length;
    const size_t length =
        std::min<size_t>(limit == 0 ? wire_length : std::min(wire_length, limit), body.size() - 4);
    return FillFrame(0, std::nullopt, body.subspan(4, length), wire_length, frame);
  }
  constexpr size_t kHeader = 20;
  if (body.size() < kHeader) {
    return Damaged("a packet block that is too short");
  }
  const size_t interface = type == kOldPacketBlock ? U16(&body[0]) : U32(&body[0]);
  const uint64_t ticks = uint64_t{U32(&body[4])} << 32 | U32(&body[8]);
  const uint32_t length = U32(&body[12]);
  if (length > body.size() - kHeader) {
    return Damaged("a packet that is longer than its block");
  }
  return FillFrame(interface, ticks, body.subspan(kHeader, length), U32(&body[16]), frame);
}

Result<void> CaptureParser::FillFrame(size_t index, std::optional<uint64_t> ticks,
                                      std::span<const uint8_t> captured, uint32_t wire_length,
                                      SavedFrame& frame) {
  if (index >= interfaces_.size()) {
    return Damaged(fmt::format("a packet of interface {}, which is not described", index));
  }
  if (captured.size() > kLongestFrame) {
    return Damaged(fmt::format("a frame of {} bytes", captured.size()));
  }
  const Interface& interface = interfaces_[index];
  if (ticks) {
    const uint64_t units = interface.units_per_second;
    const uint64_t whole = *ticks / units;
    const uint64_t nanos = Nanoseconds(*ticks % units, units);
    const auto seconds =
        static_cast<int64_t>(std::min(whole, static_cast<uint64_t>(kLastSecond) + 1)) +
        std::clamp(interface.offset_seconds, -kLastSecond, kLastSecond);
    last_stamp_ = Stamp(seconds, static_cast<int64_t>(nanos));
  }
  frame.captured = captured;
  frame.wire_length = std::max(wire_length, static_cast<uint32_t>(captured.size()));
  frame.stamp = last_stamp_;
  frame.link_number = interface.link_number;
  frame.link_type = interface.link_type;
  frame.interface = interface.name;
  return {};
}

// Names come from whoever wrote the file and go to terminals and JSON: printable ASCII only.
std::string_view CaptureParser::Intern(std::string_view name) {
  std::string clean(name.substr(0, kLongestName));
  clean.resize(std::min(clean.size(), clean.find('\0')));
  std::replace_if(
      clean.begin(), clean.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  const auto known = names_.find(clean);
  if (known != names_.end()) {
    return *known;
  }
  if (name_bytes_ + clean.size() > kMostNameBytes) {
    return {};
  }
  name_bytes_ += clean.size();
  return *names_.insert(std::move(clean)).first;
}

}  // namespace parallax::sensor
