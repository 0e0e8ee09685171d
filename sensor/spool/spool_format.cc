#include "sensor/spool/spool_format.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <charconv>

namespace parallax::sensor {
namespace {

constexpr std::string_view kSegmentMagic = "PLXSPOOL";
constexpr std::string_view kAckedMagic = "PLXACKED";
constexpr uint16_t kVersion = 1;
constexpr size_t kAckedEntries = 24;  // where they begin
constexpr size_t kAckedEntryBytes = 16;
static_assert(kAckedEntries + kMostEpochs * kAckedEntryBytes + 4 <= kAckedSlotBytes);
// A sequence that is this far beyond the last one is damage: records were never lost in such
// numbers between two that are in one file.
constexpr uint64_t kFarthestJump = uint64_t{1} << 32;

uint32_t Crc(std::string_view bytes) {
  return static_cast<uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

template <typename T>
void Put(std::string& out, T value) {
  for (size_t i = 0; i < sizeof(T); ++i) {
    out += static_cast<char>(static_cast<uint64_t>(value) >> (8 * i));
  }
}

// REQUIRES: `at` + sizeof(T) within `bytes`.
template <typename T>
T Get(std::string_view bytes, size_t at) {
  uint64_t value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) {
    value |= uint64_t{static_cast<uint8_t>(bytes[at + i])} << (8 * i);
  }
  return static_cast<T>(value);
}

std::optional<uint64_t> Hex16(std::string_view text) {
  uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value, 16);
  if (text.size() != 16 || error != std::errc() || rest != end) {
    return std::nullopt;
  }
  return value;
}

std::optional<AckedState> DecodeSlot(std::string_view slot) {
  if (slot.size() < kAckedEntries + 4 || slot.substr(0, kAckedMagic.size()) != kAckedMagic) {
    return std::nullopt;
  }
  const auto count = Get<uint32_t>(slot, 16);
  const size_t end = kAckedEntries + size_t{count} * kAckedEntryBytes;
  if (count > kMostEpochs || end + 4 > slot.size() ||
      Get<uint32_t>(slot, end) != Crc(slot.substr(0, end))) {
    return std::nullopt;
  }
  AckedState state;
  state.generation = Get<uint64_t>(slot, 8);
  state.clean_stop = Get<uint32_t>(slot, 20) == 1;
  for (uint32_t i = 0; i < count; ++i) {
    const size_t at = kAckedEntries + i * kAckedEntryBytes;
    state.sequences[Get<uint64_t>(slot, at)] = Get<uint64_t>(slot, at + 8);
  }
  return state;
}

}  // namespace

std::string SegmentName(const SegmentHeader& header) {
  return fmt::format("{}-{:016x}-{:016x}.seg", ToString(header.kind), header.epoch,
                     header.first_sequence);
}

std::optional<SegmentHeader> ParseSegmentName(std::string_view name) {
  constexpr std::string_view kEnd = ".seg";
  const size_t dash = name.find('-');
  if (dash == name.npos || name.size() != dash + 1 + 16 + 1 + 16 + kEnd.size() ||
      !name.ends_with(kEnd) || name[dash + 17] != '-') {
    return std::nullopt;
  }
  const auto kind = ParseRecordClass(name.substr(0, dash));
  const auto epoch = Hex16(name.substr(dash + 1, 16));
  const auto first = Hex16(name.substr(dash + 18, 16));
  if (!kind || !epoch || !first || *first == 0) {
    return std::nullopt;
  }
  const SegmentHeader header{*kind, *epoch, *first, 0};
  return SegmentName(header) == name ? std::optional(header) : std::nullopt;
}

std::string EncodeHeader(const SegmentHeader& header) {
  std::string out(kSegmentMagic);
  Put(out, kVersion);
  Put(out, static_cast<uint8_t>(header.kind));
  out.append(5, '\0');
  Put(out, header.epoch);
  Put(out, header.first_sequence);
  Put(out, header.boot);
  out.append(4, '\0');
  Put(out, Crc(out));
  return out;
}

std::optional<SegmentHeader> DecodeHeader(std::string_view bytes) {
  if (bytes.size() < kSegmentHeaderBytes ||
      bytes.substr(0, kSegmentMagic.size()) != kSegmentMagic ||
      Get<uint32_t>(bytes, 44) != Crc(bytes.substr(0, 44)) || Get<uint16_t>(bytes, 8) != kVersion ||
      Get<uint8_t>(bytes, 10) >= kRecordClasses) {
    return std::nullopt;
  }
  return SegmentHeader{static_cast<RecordClass>(Get<uint8_t>(bytes, 10)), Get<uint64_t>(bytes, 16),
                       Get<uint64_t>(bytes, 24), Get<uint64_t>(bytes, 32)};
}

void EncodeRecord(uint64_t sequence, Moment appended, std::string_view payload, std::string& out) {
  const size_t start = out.size();
  Put(out, uint32_t{0});
  Put(out, static_cast<uint32_t>(payload.size()));
  Put(out, sequence);
  Put(out, appended.mono.time_since_epoch().count());
  Put(out, ToUnixNanos(appended.wall));
  out += payload;
  std::string crc;
  Put(crc, Crc(std::string_view(out).substr(start + 4)));
  out.replace(start, 4, crc);
}

bool RecordReader::Parse(size_t at) {
  const std::string_view rest = bytes_.substr(at);
  if (rest.size() < kRecordHeaderBytes) {
    return false;
  }
  const auto length = Get<uint32_t>(rest, 4);
  const auto sequence = Get<uint64_t>(rest, 8);
  // The checksum is dear, and is asked last.
  if (length == 0 || length > kMostPayload || rest.size() - kRecordHeaderBytes < length ||
      sequence <= last_ || sequence - last_ > kFarthestJump ||
      Get<uint32_t>(rest, 0) != Crc(rest.substr(4, kRecordHeaderBytes - 4 + length))) {
    return false;
  }
  last_ = sequence;
  appended_ = {MonoTime(Duration(Get<int64_t>(rest, 16))), FromUnixNanos(Get<int64_t>(rest, 24))};
  payload_ = rest.substr(kRecordHeaderBytes, length);
  damaged_ += at - offset_;
  offset_ = at + kRecordHeaderBytes + length;
  return true;
}

bool RecordReader::Next() {
  for (size_t at = offset_; at < bytes_.size(); ++at) {
    if (Parse(at)) {
      return true;
    }
  }
  damaged_ += bytes_.size() - offset_;
  bytes_ = bytes_.substr(0, offset_);
  return false;
}

std::string EncodeAcked(const AckedState& state) {
  std::string out(kAckedMagic);
  const size_t count = std::min(state.sequences.size(), kMostEpochs);
  Put(out, state.generation);
  Put(out, static_cast<uint32_t>(count));
  Put(out, uint32_t{state.clean_stop ? 1u : 0u});
  auto entry = std::prev(state.sequences.end(), static_cast<ptrdiff_t>(count));
  for (; entry != state.sequences.end(); ++entry) {
    Put(out, entry->first);
    Put(out, entry->second);
  }
  Put(out, Crc(out));
  out.resize(kAckedSlotBytes, '\0');
  return out;
}

std::optional<AckedState> DecodeAcked(std::string_view file) {
  auto first = DecodeSlot(file.substr(0, kAckedSlotBytes));
  auto second =
      file.size() > kAckedSlotBytes ? DecodeSlot(file.substr(kAckedSlotBytes)) : std::nullopt;
  if (!first || (second && second->generation > first->generation)) {
    return second;
  }
  return first;
}

}  // namespace parallax::sensor
