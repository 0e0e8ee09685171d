// Reads a frame or a packet byte by byte, network order, without ever leaving it. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace parallax::sensor {

// A window on the frame. Reading or skipping past its end yields zero and leaves a mark that
// sticks; the caller looks at ok() before it believes what it read.
class Cursor {
 public:
  explicit Cursor(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  size_t left() const { return bytes_.size(); }
  // True once Limit() has cut the window: running out is then the packet's own fault.
  bool limited() const { return limited_; }

  uint8_t U8(size_t at) { return Reach(at, 1) ? bytes_[at] : uint8_t{0}; }
  uint16_t U16(size_t at) {
    return Reach(at, 2) ? static_cast<uint16_t>(bytes_[at] << 8 | bytes_[at + 1]) : uint16_t{0};
  }
  uint32_t U24(size_t at) { return uint32_t{U8(at)} << 16 | U16(at + 1); }
  uint32_t U32(size_t at) { return uint32_t{U16(at)} << 16 | U16(at + 2); }
  template <size_t kSize>
  std::span<const uint8_t, kSize> Bytes(size_t at) {
    static constexpr std::array<uint8_t, kSize> kZeros{};
    return Reach(at, kSize) ? bytes_.subspan(at).first<kSize>()
                            : std::span<const uint8_t, kSize>(kZeros);
  }

  void Skip(size_t count) {
    if (Reach(0, count)) {
      bytes_ = bytes_.subspan(count);
    }
  }
  // The packet has `count` bytes from here. What lies beyond (padding, a trailer) is not part of
  // it.
  void Limit(size_t count) {
    if (count < bytes_.size()) {
      bytes_ = bytes_.first(count);
      limited_ = true;
    }
    missing_ = count - bytes_.size();
    sized_ = true;
  }
  // The packet does not say; it ends with the frame, `cut_off` bytes beyond what was captured.
  void LimitToFrame(size_t cut_off) { missing_ = cut_off; }
  // Whether the packet has `count` bytes from here by its own account.
  bool MayHave(size_t count) const { return !sized_ || count <= bytes_.size() + missing_; }
  // Bytes that the packet has and the capture does not; known after either of the two.
  size_t missing() const { return missing_; }

 private:
  bool Reach(size_t at, size_t count) {
    ok_ = ok_ && at <= bytes_.size() && count <= bytes_.size() - at;
    return ok_;
  }

  std::span<const uint8_t> bytes_;
  bool ok_ = true;
  bool limited_ = false;
  bool sized_ = false;
  size_t missing_ = 0;
};

}  // namespace parallax::sensor
