// pcap and pcapng as byte formats: finds the frames in a stream of bytes. Pure; no allocation per
// frame; nothing that the bytes say is believed before it has been checked.
//
//   pcap    file header, then (record header, frame)*: draft-ietf-opsawg-pcap. Either byte order,
//           micro- or nanoseconds; also Kuznetsov's variant with longer record headers.
//   pcapng  sections of blocks, draft-ietf-opsawg-pcapng: section header, interface description,
//           enhanced, simple and (obsolete) packet blocks; all others are passed over. Each section
//           has a byte order, each interface a link type, a name and a clock resolution of its own.
//
// We read files ourselves because libpcap refuses a pcapng file whose interfaces differ in link
// type or snapshot length, which is what one capture on "any two interfaces" looks like; does not
// tell on which interface a frame was seen; and takes two library calls per frame.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "common/time.h"
#include "sensor/capture/link_type.h"

namespace parallax::sensor {

// A frame of a saved capture.
struct SavedFrame {
  std::span<const uint8_t> captured;  // into the window it was found in
  uint32_t wire_length = 0;           // bytes
  WallTime
      stamp;  // 1970 to 2115; a simple packet block has none, and gets that of the frame before
  int link_number = 0;                // the file's number for the link type
  std::optional<LinkType> link_type;  // nullopt: one that we do not read
  std::string_view interface;         // its name in a pcapng file; lives as long as the parser
};

class CaptureParser {
 public:
  enum class Step : uint8_t {
    kFrame,  // `frame` is filled in
    kSkip,   // something that is no frame
    kMore,   // the window ends within an item: call again with at least `bytes` bytes
  };
  struct Parsed {
    Step step = Step::kMore;
    size_t bytes = 0;  // kFrame, kSkip: how many are done with; may go beyond the window for kSkip
  };

  // No item is longer, so this is the longest window that is ever asked for.
  static constexpr size_t kLongestItem = size_t{16} << 20;

  // Parses one item at the start of `window`, which is where the last one ended. Errors name what
  // is wrong; nothing can be parsed after one.
  Result<Parsed> Parse(std::span<const uint8_t> window, SavedFrame& frame);

  // The link type of a pcap file, known once its header is parsed; nullopt for pcapng.
  std::optional<int> pcap_link_number() const;

 private:
  enum class Format : uint8_t { kUnknown, kPcap, kPcapng };
  struct Interface {
    int link_number = 0;
    std::optional<LinkType> link_type;
    uint32_t snap_length = 0;  // 0: unlimited
    uint64_t units_per_second = 1'000'000;
    int64_t offset_seconds = 0;
    std::string_view name;
  };

  uint16_t U16(const uint8_t* at) const;
  uint32_t U32(const uint8_t* at) const;
  uint64_t U64(const uint8_t* at) const;
  Result<Parsed> ParseFileHeader(std::span<const uint8_t> window);
  Result<Parsed> ParseRecord(std::span<const uint8_t> window, SavedFrame& frame);
  Result<Parsed> ParseBlock(std::span<const uint8_t> window, SavedFrame& frame);
  Result<void> ParseSection(std::span<const uint8_t> body);
  Result<void> ParseInterface(std::span<const uint8_t> body);
  Result<void> ParsePacket(std::span<const uint8_t> body, uint32_t type, SavedFrame& frame);
  Result<void> FillFrame(size_t interface, std::optional<uint64_t> ticks,
                         std::span<const uint8_t> captured, uint32_t wire_length,
                         SavedFrame& frame);
  std::string_view Intern(std::string_view name);

  Format format_ = Format::kUnknown;
  bool swapped_ = false;  // the other byte order than this machine's
  // pcap
  bool nanoseconds_ = false;
  bool lengths_swapped_ = false;  // very old files: original length first
  bool lengths_mixed_up_ = false;
  size_t record_header_ = 16;
  // pcapng: of the section at hand; pcap: one.
  std::vector<Interface> interfaces_;
  std::set<std::string, std::less<>> names_;
  size_t name_bytes_ = 0;
  WallTime last_stamp_;
};

}  // namespace parallax::sensor
