#include "common/ip.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <utility>

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

void AppendAddress(const IpAddress& address, std::string& out) {
  if (!address.is_v4()) {
    out += address.ToString();
    return;
  }
  for (const uint8_t byte : address.bytes()) {
    if (byte >= 100) {
      out += static_cast<char>('0' + byte / 100);
    }
    if (byte >= 10) {
      out += static_cast<char>('0' + byte / 10 % 10);
    }
    out += static_cast<char>('0' + byte % 10);
    out += '.';
  }
  out.pop_back();
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

PrefixSet::PrefixSet(std::vector<Prefix> prefixes) : prefixes_(std::move(prefixes)) {
  MakeCuts(Family::kV4, cuts4_);
  MakeCuts(Family::kV6, cuts6_);
}

void PrefixSet::Add(const Prefix& prefix) {
  prefixes_.push_back(prefix);
  const Family family = prefix.address().family();
  MakeCuts(family, family == Family::kV4 ? cuts4_ : cuts6_);
}

PrefixSet::Key PrefixSet::KeyOf(const IpAddress& address) {
  const uint8_t* b = address.bytes().data();
  const auto word = [b](size_t at) {
    return uint64_t{b[at]} << 24 | uint64_t{b[at + 1]} << 16 | uint64_t{b[at + 2]} << 8 | b[at + 3];
  };
  return address.is_v4() ? Key{0, word(0)} : Key{word(0) << 32 | word(4), word(8) << 32 | word(12)};
}

// Sweeps over the prefixes by first address, outer ones before inner ones; `open` are those that
// hold the current address, each inside the one before it.
void PrefixSet::MakeCuts(Family family, std::vector<Cut>& cuts) const {
  struct Span {
    Key first;
    Key last;
    size_t prefix;
  };
  std::vector<Span> spans;
  for (size_t i = 0; i < prefixes_.size(); ++i) {
    const Prefix& prefix = prefixes_[i];
    if (prefix.address().family() != family) {
      continue;
    }
    const Key first = KeyOf(prefix.address());
    const unsigned host_bits = prefix.address().bits() - prefix.length();
    const auto ones = [](unsigned count) {
      return count >= 64 ? UINT64_MAX : (uint64_t{1} << count) - 1;
    };
    const Key last{first.high | ones(host_bits > 64 ? host_bits - 64 : 0),
                   first.low | ones(host_bits)};
    spans.push_back({first, last, i});
  }
  std::stable_sort(spans.begin(), spans.end(), [](const Span& a, const Span& b) {
    return a.first != b.first ? a.first < b.first : a.last > b.last;
  });

  cuts.clear();
  const auto cut = [&](const Key& start, size_t longest) {
    if (!cuts.empty() && cuts.back().start == start) {
      cuts.back().longest = longest;
    } else {
      cuts.push_back({start, longest});
    }
  };
  std::vector<Span> open;
  const auto close_until = [&](const Key* next) {
    while (!open.empty() && (next == nullptr || open.back().last < *next)) {
      Key behind = open.back().last;
      open.pop_back();
      behind.high += ++behind.low == 0;
      if (behind != Key()) {  // else it was the last address of all
        cut(behind, open.empty() ? kNoPrefix : open.back().prefix);
      }
    }
  };
  for (const Span& span : spans) {
    close_until(&span.first);
    cut(span.first, span.prefix);
    open.push_back(span);
  }
  close_until(nullptr);
}

const Prefix* PrefixSet::LongestMatch(const IpAddress& address) const {
  const std::vector<Cut>& cuts = address.is_v4() ? cuts4_ : cuts6_;
  const Key key = KeyOf(address);
  const auto behind =
      std::upper_bound(cuts.begin(), cuts.end(), key,
                       [](const Key& wanted, const Cut& cut) { return wanted < cut.start; });
  if (behind == cuts.begin() || std::prev(behind)->longest == kNoPrefix) {
    return nullptr;
  }
  return &prefixes_[std::prev(behind)->longest];
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
