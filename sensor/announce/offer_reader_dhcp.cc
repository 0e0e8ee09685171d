// The part of OfferReader that reads DHCP.
#include <algorithm>

#include "sensor/announce/offer_reader.h"
#include "sensor/capture/cursor.h"

namespace parallax::sensor {
namespace {

using Bytes = std::span<const uint8_t>;

constexpr uint8_t kReply = 2;
constexpr size_t kServerNameAt = 44;
constexpr size_t kFileAt = 108;
constexpr size_t kCookieAt = 236;
constexpr size_t kOptionsAt = 240;
constexpr uint32_t kCookie = 0x63825363;

constexpr uint8_t kPad = 0;
constexpr uint8_t kRouters = 3;
constexpr uint8_t kOverload = 52;
constexpr uint8_t kMessageType = 53;
constexpr uint8_t kClasslessRoutes = 121;
constexpr uint8_t kMicrosoftClasslessRoutes = 249;
constexpr uint8_t kEnd = 255;

constexpr uint8_t kOffer = 2;
constexpr uint8_t kAcknowledgement = 5;

struct Option {
  uint8_t code = kEnd;
  Bytes value;
};

// Takes the next option off `options`; kEnd at their end. nullopt if it runs past it.
std::optional<Option> Next(Bytes& options) {
  const auto begin =
      std::find_if(options.begin(), options.end(), [](uint8_t b) { return b != kPad; });
  options = options.subspan(static_cast<size_t>(begin - options.begin()));
  if (options.empty() || options[0] == kEnd) {
    return Option{};
  }
  if (options.size() < 2 || options.size() - 2 < options[1]) {
    return std::nullopt;
  }
  const Option option{options[0], options.subspan(2, options[1])};
  options = options.subspan(2 + option.value.size());
  return option;
}

// The one byte of the first option of that code; 0 if there is none.
uint8_t ByteOf(uint8_t code, Bytes options) {
  while (const auto option = Next(options)) {
    if (option->code == kEnd) {
      break;
    }
    if (option->code == code) {
      return option->value.empty() ? uint8_t{0} : option->value[0];
    }
  }
  return 0;
}

}  // namespace

void OfferReader::ReadDhcp() {
  kind_ = AnnouncementKind::kDhcpOffer;
  uint16_t from = 0;
  if (!PassUdp(from)) {
    return;
  }
  Cursor c(bytes_);
  const uint8_t operation = c.U8(0);
  const uint32_t cookie = c.U32(kCookieAt);
  if (!c.ok()) {
    return RunOut();
  }
  const Bytes options = bytes_.subspan(kOptionsAt);
  const uint8_t type = ByteOf(kMessageType, options);
  if (operation != kReply || cookie != kCookie || (type != kOffer && type != kAcknowledgement)) {
    no_offer_ = true;
    return;
  }
  ReadDhcpOptions(options);
  // Two fields may hold more options (RFC 2132 section 9.3).
  const uint8_t overload = ByteOf(kOverload, options);
  if ((overload & 1) != 0) {
    ReadDhcpOptions(bytes_.subspan(kFileAt, kCookieAt - kFileAt));
  }
  if ((overload & 2) != 0) {
    ReadDhcpOptions(bytes_.subspan(kServerNameAt, kFileAt - kServerNameAt));
  }
}

// An option in several parts (RFC 3396) is read part by part.
void OfferReader::ReadDhcpOptions(Bytes options) {
  for (;;) {
    const auto option = Next(options);
    if (!option) {
      return RunOut();
    }
    if (option->code == kEnd) {
      return;
    }
    if (option->code == kRouters) {
      malformed_ = malformed_ || option->value.empty() || option->value.size() % 4 != 0;
      for (Bytes value = option->value; value.size() >= 4; value = value.subspan(4)) {
        const IpAddress router = IpAddress::V4(value.first<4>());
        if (CanBeGateway(router)) {
          AddRoute(router, IpAddress(), 0, 0, false);
        } else {
          malformed_ = true;
        }
      }
    } else if (option->code == kClasslessRoutes || option->code == kMicrosoftClasslessRoutes) {
      ReadClasslessRoutes(option->value);
    }
  }
}

void OfferReader::ReadClasslessRoutes(Bytes value) {
  while (!value.empty()) {
    const unsigned length = value[0];
    const size_t octets = (length + 7) / 8;
    if (length > 32 || value.size() < 1 + octets + 4) {
      malformed_ = true;
      return;
    }
    std::array<uint8_t, 4> prefix{};
    std::copy_n(value.subspan(1).begin(), octets, prefix.begin());
    const IpAddress router = IpAddress::V4(value.subspan(1 + octets).first<4>());
    if (CanBeGateway(router)) {
      AddRoute(router, IpAddress::V4(prefix), length, 0, false);
    } else {
      ++counts_.other_routes;  // 0.0.0.0: on the link
    }
    value = value.subspan(1 + octets + 4);
  }
}

}  // namespace parallax::sensor
