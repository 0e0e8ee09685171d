// A saved capture: pcap (either byte order, micro- or nanoseconds) or pcapng, read frame by frame.
// Needs no privilege. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "common/result.h"
#include "common/time.h"
#include "sensor/capture/decode.h"

namespace parallax::sensor {

class PcapFile {
 public:
  struct Frame {
    std::span<const uint8_t> captured;  // valid until the next call of Next()
    uint32_t wire_length = 0;           // bytes
    WallTime stamp;
    uint64_t number = 0;  // in the file, from 1, all frames counted
  };

  // "-" is standard input. Fails, with a message that names the file, if it cannot be opened
  // (kNotFound, kPermission), is no capture, or has a link type that we do not read (kFailure).
  static Result<PcapFile> Open(const std::string& path);
  PcapFile(PcapFile&&) noexcept;
  PcapFile& operator=(PcapFile&&) noexcept;
  ~PcapFile();

  LinkType link_type() const;
  // False at the end of the file. An error says after which frame the file is cut short or damaged;
  // all frames before it have been handed out.
  Result<bool> Next(Frame& frame);

 private:
  struct Impl;
  explicit PcapFile(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace parallax::sensor
