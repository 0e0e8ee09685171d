#include "sensor/probe/wire/stripped_error.h"

#include <algorithm>
#include <array>

#include "sensor/probe/wire/packet.h"

namespace parallax::sensor {
namespace {

constexpr size_t kIcmpHeaderBytes = 8;
constexpr size_t kIpv6HeaderBytes = 40;
constexpr uint8_t kRedirectV4 = 5;
constexpr uint8_t kOrdinaryQuotedTtl = 1;
// RFC 4884: a quote that is followed by an extension has at least so many bytes, and its length is
// stated in words of 4 (IPv4) or 8 bytes (IPv6).
constexpr size_t kExtendedQuote = 128;
constexpr size_t kMostExtendedQuote = 1016;
constexpr size_t kMostBytes = 2048;

// Appends to a buffer of fixed size; what does not fit is cut off.
class Message {
 public:
  void Put8(uint8_t value) { Put({&value, 1}); }
  void Put16(uint16_t value) {
    Put8(static_cast<uint8_t>(value >> 8));
    Put8(static_cast<uint8_t>(value));
  }
  void Put32(uint32_t value) {
    Put16(static_cast<uint16_t>(value >> 16));
    Put16(static_cast<uint16_t>(value));
  }
  void Put(std::span<const uint8_t> data) {
    const size_t count = std::min(data.size(), bytes_.size() - size_);
    std::copy_n(data.begin(), count, bytes_.begin() + static_cast<ptrdiff_t>(size_));
    size_ += count;
  }
  void Resize(size_t size) { size_ = std::min(size, bytes_.size()); }
  void Set8(size_t at, uint8_t value) { bytes_[at] = value; }
  size_t size() const { return size_; }
  std::span<const uint8_t> span() const { return {bytes_.data(), size_}; }

 private:
  std::array<uint8_t, kMostBytes> bytes_{};
  size_t size_ = 0;
};

void PutIpHeader(const StrippedError& error, size_t payload, Message& message) {
  const auto length = static_cast<uint16_t>(std::min<size_t>(payload, UINT16_MAX / 2));
  if (error.target.is_v4()) {
    message.Put16(0x4500);
    message.Put16(static_cast<uint16_t>(kIpv4HeaderBytes + length));
    message.Put32(0);  // identification, fragment offset
    message.Put8(kOrdinaryQuotedTtl);
    message.Put8(error.protocol);
    message.Put16(0);
  } else {
    message.Put32(0x60000000);
    message.Put16(length);
    message.Put8(error.protocol);
    message.Put8(kOrdinaryQuotedTtl);
  }
  message.Put(error.destination.bytes());
  message.Put(error.target.bytes());
}

}  // namespace

std::optional<Answer> ReadStrippedError(const StrippedError& error) {
  const bool v4 = error.reporter.is_v4();
  if (error.target.is_v4() != v4 || error.destination.is_v4() != v4) {
    return std::nullopt;
  }
  Message message;
  message.Put8(error.type);
  message.Put8(error.code);
  message.Put16(0);  // the kernel has verified the checksum
  message.Put32(v4 && error.type == kRedirectV4 ? error.info : 0);
  PutIpHeader(error, error.header.size() + error.quote.size(), message);
  message.Put(error.header);
  message.Put(error.quote);
  auto answer = ParseIcmp(error.reporter, error.ttl, message.span());
  if (!answer || (answer->kind != AnswerKind::kError && answer->kind != AnswerKind::kRedirect)) {
    return std::nullopt;
  }
  if (!error.extension.empty()) {
    // Behind the quote, which must be padded for that: of the padding nothing is read but the
    // labels.
    const size_t word = v4 ? 4 : 8;
    const size_t quoted =
        std::clamp(message.size() - kIcmpHeaderBytes, kExtendedQuote, kMostExtendedQuote);
    const size_t words = (quoted + word - 1) / word;
    message.Resize(kIcmpHeaderBytes + words * word);
    message.Put(error.extension);
    message.Set8(v4 ? 5 : 4, static_cast<uint8_t>(words));
    const auto extended = ParseIcmp(error.reporter, error.ttl, message.span());
    answer->mpls = extended ? extended->mpls : MplsStack();
  }
  return answer;
}

}  // namespace parallax::sensor
