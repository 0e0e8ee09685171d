// Big-endian numbers and addresses at offsets of a piece of a packet. Pure.
// REQUIRES: whoever reads has checked Has() first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "common/ip.h"

namespace parallax::sensor {

class ByteView {
 public:
  explicit ByteView(std::span<const uint8_t> data) : data_(data) {}
  bool Has(size_t count) const { return data_.size() >= count; }
  size_t size() const { return data_.size(); }
  uint8_t U8(size_t at) const { return data_[at]; }
  uint16_t U16(size_t at) const { return static_cast<uint16_t>(data_[at] << 8 | data_[at + 1]); }
  uint32_t U32(size_t at) const { return uint32_t{U16(at)} << 16 | U16(at + 2); }
  uint64_t U64(size_t at) const { return uint64_t{U32(at)} << 32 | U32(at + 4); }
  IpAddress V4(size_t at) const { return IpAddress::V4(data_.subspan(at).first<4>()); }
  IpAddress V6(size_t at) const { return IpAddress::V6(data_.subspan(at).first<16>()); }
  ByteView From(size_t at) const { return ByteView(data_.subspan(at)); }
  ByteView First(size_t count) const { return ByteView(data_.first(count)); }
  std::span<const uint8_t> span() const { return data_; }

 private:
  std::span<const uint8_t> data_;
};

}  // namespace parallax::sensor
