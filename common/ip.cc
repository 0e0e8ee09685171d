#include "common/ip.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "common/siphash.h"

namespace parallax {

IpAddress IpAddress::V4(std::span<const uint8_t, 4> bytes) {
  IpAddress a;
  std::copy(bytes.begin(), bytes.end(), a.bytes_.begin());
  return a;
}

IpAddress IpAddress::V6(std::span<const uint8_t, 16> bytes) {
  IpAddress a;
  a.family_ = Family::kV6;
  std::copy(bytes.begin(), bytes.end(), a.bytes_.begin());
  return a;
}

std::optional<IpAddress> IpAddress::FromBytes(std::span<const uint8_t> bytes) {
  if (bytes.size() == 4) {
    return V4(bytes.first<4>());
  }
  if (bytes.size() == 16) {
    return V6(bytes.first<16>());
  }
  return std::nullopt;
}

std::optional<IpAddress> IpAddress::Parse(std::string_view text) {
  if (text.size() >= INET6_ADDRSTRLEN || text.find('\0') != text.npos) {
    return std::nullopt;
  }
  const std::string copy(text);
  std::array<uint8_t, 16> raw{};
  if (inet_pton(AF_INET, copy.c_str(), raw.data()) == 1) {
    return V4(std::span<const uint8_t, 16>(raw).first<4>());
  }
  if (inet_pton(AF_INET6, copy.c_str(), raw.data()) == 1) {
    return V6(raw);
  }
  return std::nullopt;
}

std::string IpAddress::ToString() const {
  char text[INET6_ADDRSTRLEN];
  inet_ntop(is_v4() ? AF_INET : AF_INET6, bytes_.data(), text, sizeof text);
  return text;
}

bool IpAddress::IsNeverRemote() const {
  const auto& b = bytes_;
  if (is_v4()) {
    return b[0] == 0 || b[0] == 127 || b[0] >= 224;  // 240/4 is reserved, 255.255.255.255 in it
  }
  const bool zero_head = std::all_of(b.begin(), b.end() - 1, [](uint8_t x) { return x == 0; });
  const bool unspecified_or_loopback = zero_head && b[15] <= 1;
  const bool multicast = b[0] == 0xff;
  const bool link_local = b[0] == 0xfe && (b[1] & 0xc0) == 0x80;
  return unspecified_or_loopback || multicast || link_local;
}

Prefix::Prefix(const IpAddress& address, unsigned length) : length_(length) {
  std::array<uint8_t, 16> bytes{};
  const auto from = address.bytes();
  for (size_t i = 0; i < from.size(); ++i) {
    const unsigned keep = length > i * 8 ? std::min(8u, length - static_cast<unsigned>(i) * 8) : 0;
    bytes[i] = static_cast<uint8_t>(from[i] & static_cast<uint8_t>(0xff00u >> keep));
  }
  address_ = *IpAddress::FromBytes({bytes.data(), from.size()});
}

Result<Prefix> Prefix::Parse(std::string_view text) {
  const size_t slash = text.find('/');
  const auto address = IpAddress::Parse(text.substr(0, slash));
  if (!address) {
    return Fail(ErrorCode::kUsage, fmt::format("\"{}\" is not an address or prefix (write for "
                                               "example \"192.0.2.0/24\" or \"2001:db8::/32\")",
                                               text));
  }
  if (slash == text.npos) {
    return Prefix(*address, address->bits());
  }
  unsigned length = 0;
  const std::string_view digits = text.substr(slash + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  if (error != std::errc() || end != digits.data() + digits.size() || length > address->bits()) {
    return Fail(ErrorCode::kUsage,
                fmt::format("\"{}\": the prefix length must be 0 to {}", text, address->bits()));
  }
  const Prefix prefix(*address, length);
  if (prefix.address() != *address) {
    return Fail(ErrorCode::kUsage, fmt::format("\"{}\" has bits set beyond its length (did you "
                                               "mean \"{}\"?)",
                                               text, prefix.ToString()));
  }
  return prefix;
}

bool Prefix::Contains(const IpAddress& address) const {
  if (address.family() != address_.family()) {
    return false;
  }
  const auto a = address.bytes();
  const auto p = address_.bytes();
  const unsigned whole = length_ / 8;
  if (!std::equal(a.begin(), a.begin() + whole, p.begin())) {
    return false;
  }
  const unsigned rest = length_ % 8;
  return rest == 0 || ((a[whole] ^ p[whole]) & static_cast<uint8_t>(0xff00u >> rest)) == 0;
}

std::string Prefix::ToString() const { return fmt::format("{}/{}", address_.ToString(), length_); }

bool PrefixSet::Contains(const IpAddress& address) const {
  return std::any_of(prefixes_.begin(), prefixes_.end(),
                     [&](const Prefix& p) { return p.Contains(address); });
}

std::string Endpoint::ToString() const {
  return address.is_v4() ? fmt::format("{}:{}", address.ToString(), port)
                         : fmt::format("[{}]:{}", address.ToString(), port);
}

bool IsHostName(std::string_view text) {
  if (text.empty() || text.size() > 253) {
    return false;
  }
  bool all_digits = false;
  while (true) {
    const size_t dot = text.find('.');
    const std::string_view label = text.substr(0, dot);
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') {
      return false;
    }
    all_digits = true;
    for (const char c : label) {
      const bool digit = c >= '0' && c <= '9';
      const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
      if (!digit && !letter && c != '-' && c != '_') {
        return false;
      }
      all_digits = all_digits && digit;
    }
    if (dot == text.npos) {
      return !all_digits;
    }
    text.remove_prefix(dot + 1);
  }
}

std::string HostPort::ToString() const {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port)
                                             : fmt::format("[{}]:{}", host, port);
}

Result<HostPort> ParseHostPort(std::string_view text) {
  std::string_view host;
  std::string_view digits;
  bool host_ok = false;
  if (text.starts_with('[')) {
    const size_t close = text.find("]:");
    if (close != text.npos) {
      host = text.substr(1, close - 1);
      digits = text.substr(close + 2);
    }
    const auto address = IpAddress::Parse(host);
    host_ok = address && !address->is_v4();
  } else {
    const size_t colon = text.rfind(':');
    host = text.substr(0, colon);
    digits = colon == text.npos ? std::string_view() : text.substr(colon + 1);
    const auto address = IpAddress::Parse(host);
    host_ok = address ? address->is_v4() : IsHostName(host);
  }
  unsigned port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (!host_ok || digits.empty() || error != std::errc() || end != digits.data() + digits.size() ||
      port == 0 || port > 65535) {
    return Fail(ErrorCode::kUsage,
                fmt::format("\"{}\" is not HOST:PORT (write for example \"192.0.2.1:7443\" or "
                            "\"[2001:db8::1]:7443\")",
                            text));
  }
  return HostPort{std::string(host), static_cast<uint16_t>(port)};
}

}  // namespace parallax

size_t std::hash<parallax::IpAddress>::operator()(
    const parallax::IpAddress& address) const noexcept {
  return static_cast<size_t>(parallax::SipHash24(parallax::ProcessHashKey(), address.bytes()));
}
