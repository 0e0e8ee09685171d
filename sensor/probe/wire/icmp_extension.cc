#include "sensor/probe/wire/icmp_extension.h"

#include "sensor/probe/wire/packet.h"

namespace parallax::sensor {
namespace {

constexpr size_t kLeastQuote = 128;  // that an extension structure may follow, RFC 4884 section 3
constexpr size_t kStructureHeader = 4;
constexpr size_t kObjectHeader = 4;
constexpr uint8_t kVersion = 2;
constexpr uint16_t kMplsStackObject = 0x0101;  // class 1, C-type 1: incoming label stack
constexpr size_t kMplsEntry = 4;

// RFC 3032: label 20 bits, traffic class 3, bottom of stack 1, TTL 8.
MplsStack ReadMpls(ByteView entries) {
  MplsStack stack;
  for (size_t at = 0; entries.Has(at + kMplsEntry) && stack.count < MplsStack::kMost;
       at += kMplsEntry) {
    const uint32_t entry = entries.U32(at);
    stack.labels[stack.count++] = {.label = entry >> 12,
                                   .traffic_class = static_cast<uint8_t>(entry >> 9 & 7),
                                   .ttl = static_cast<uint8_t>(entry)};
  }
  return stack;
}

}  // namespace

std::optional<MplsStack> ReadExtension(ByteView structure, bool must_have_checksum) {
  if (!structure.Has(kStructureHeader) || structure.U8(0) >> 4 != kVersion) {
    return std::nullopt;
  }
  const bool has_checksum = structure.U16(2) != 0;
  if (has_checksum ? OnesComplementSum(structure.span()) != 0xffff : must_have_checksum) {
    return std::nullopt;
  }
  MplsStack mpls;
  for (size_t at = kStructureHeader; at != structure.size();) {
    const ByteView object = structure.From(at);
    if (!object.Has(kObjectHeader)) {
      return std::nullopt;
    }
    const size_t length = object.U16(0);
    if (length < kObjectHeader || !object.Has(length)) {
      return std::nullopt;
    }
    if (object.U16(2) == kMplsStackObject && mpls.count == 0) {
      if (length % kMplsEntry != 0) {
        return std::nullopt;
      }
      mpls = ReadMpls(object.First(length).From(kObjectHeader));
    }
    at += length;
  }
  return mpls;
}

QuoteAndExtension SplitQuote(ByteView body, size_t length) {
  QuoteAndExtension whole{.quote = body, .trusted = body.size(), .mpls = {}};
  const bool stated = length != 0;
  const size_t end = stated ? length : kLeastQuote;
  if (!body.Has(end)) {
    return whole;
  }
  const bool doubtful = !stated || end < kLeastQuote;
  const auto mpls = ReadExtension(body.From(end), doubtful);
  if (stated) {
    whole.trusted = end;
  }
  if (mpls || !doubtful) {
    return {.quote = body.First(end), .trusted = end, .mpls = mpls.value_or(MplsStack())};
  }
  return whole;
}

}  // namespace parallax::sensor
