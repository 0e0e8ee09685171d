// A saved capture, pcap or pcapng (capture_format.h says which kinds), read frame by frame from a
// file or a pipe. Needs no privilege. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/fd.h"
#include "common/result.h"
#include "sensor/capture/capture_format.h"

namespace parallax::sensor {

class PcapFile {
 public:
  struct Frame {
    std::span<const uint8_t> captured;  // valid until the next call of Next()
    uint32_t wire_length = 0;           // bytes
    WallTime stamp;
    uint64_t number = 0;  // in the file, from 1, all frames counted
    LinkType link_type = LinkType::kEthernet;
    std::string_view interface;  // from a pcapng file, empty if not told; lives as long as the file
  };

  // "-" is standard input. Fails, with a message that names the file, if it cannot be opened
  // (kNotFound, kPermission), is no capture, or a pcap of a link type that we do not read
  // (kFailure).
  static Result<PcapFile> Open(const std::string& path);

  // False at the end of the file. Frames of a pcapng file that have a link type we do not read are
  // passed over; an error at the end names it and counts them. Any other error says after which
  // frame the file is cut short or damaged; all frames before it have been handed out.
  Result<bool> Next(Frame& frame);

  // Called before each read that may have to wait for a writer; never for a regular file.
  void BeforeWaiting(std::function<void()> call) { before_waiting_ = std::move(call); }
  // How much has been read and how much there is, in bytes; size 0 if nobody can know.
  uint64_t position() const { return position_; }
  uint64_t size() const { return size_; }

 private:
  PcapFile(std::string name, UniqueFd file, uint64_t size)
      : name_(std::move(name)), file_(std::move(file)), size_(size) {}

  // At least `bytes` in the window if the file has them; false if it ends before.
  Result<bool> Fill(size_t bytes);
  Result<void> Discard(size_t bytes);
  // The next frame or the end; link types not looked at.
  Result<bool> NextSaved(SavedFrame& saved);
  Result<void> ReadHeader();
  Error NotSupported() const;

  std::string name_;
  UniqueFd file_;  // empty for standard input
  uint64_t size_ = 0;
  std::function<void()> before_waiting_;
  CaptureParser parser_;
  std::vector<uint8_t> buffer_;
  size_t begin_ = 0;  // what has been read and not been used is [begin_, end_) of the buffer
  size_t end_ = 0;
  uint64_t position_ = 0;
  uint64_t frames_ = 0;
  std::map<int, uint64_t> unsupported_;  // frames by link number
};

}  // namespace parallax::sensor
