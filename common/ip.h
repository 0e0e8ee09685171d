// IP addresses, prefixes and endpoints as small values. No sockets, no name lookups.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace parallax {

enum class Family : uint8_t { kV4 = 4, kV6 = 6 };

// An IPv4 or IPv6 address. IPv4 occupies the first 4 bytes; the rest are zero. An IPv4-mapped
// IPv6 address stays IPv6: on the wire they are different things.
class IpAddress {
 public:
  IpAddress() = default;  // 0.0.0.0
  static IpAddress V4(std::span<const uint8_t, 4> bytes);
  static IpAddress V6(std::span<const uint8_t, 16> bytes);
  // 4 or 16 bytes in network order; nullopt for any other length.
  static std::optional<IpAddress> FromBytes(std::span<const uint8_t> bytes);
  static std::optional<IpAddress> Parse(std::string_view text);

  Family family() const { return family_; }
  bool is_v4() const { return family_ == Family::kV4; }
  // 4 or 16 bytes, network order.
  std::span<const uint8_t> bytes() const { return {bytes_.data(), is_v4() ? 4u : 16u}; }
  unsigned bits() const { return is_v4() ? 32 : 128; }
  std::string ToString() const;  // RFC 5952 for IPv6

  // Unspecified, loopback, multicast, limited broadcast or IPv6 link-local: never a remote host.
  bool IsNeverRemote() const;

  auto operator<=>(const IpAddress&) const = default;

 private:
  Family family_ = Family::kV4;
  std::array<uint8_t, 16> bytes_{};
};

// Appends the address as in IpAddress::ToString(), without allocating for IPv4.
void AppendAddress(const IpAddress& address, std::string& out);

// An address block. Host bits are always zero.
class Prefix {
 public:
  Prefix() = default;  // 0.0.0.0/0
  // REQUIRES: length <= address.bits(); host bits are cleared.
  Prefix(const IpAddress& address, unsigned length);
  // "192.0.2.0/24", "2001:db8::/32", or a bare address (a host prefix). Set host bits are an
  // error, because they are nearly always a typing mistake.
  static Result<Prefix> Parse(std::string_view text);

  const IpAddress& address() const { return address_; }
  unsigned length() const { return length_; }
  bool Contains(const IpAddress& address) const;
  std::string ToString() const;

  auto operator<=>(const Prefix&) const = default;

 private:
  IpAddress address_;
  unsigned length_ = 0;
};

// Prefixes of both families mixed, in the order given. A lookup is a binary search, whatever their
// number. An empty set contains nothing.
class PrefixSet {
 public:
  PrefixSet() = default;
  explicit PrefixSet(std::vector<Prefix> prefixes);
  // Costs as much as making the set anew: for the odd one, not for many.
  void Add(const Prefix& prefix);
  // The longest of the prefixes that hold `address`, nullptr if none does. Valid until the set
  // changes.
  const Prefix* LongestMatch(const IpAddress& address) const;
  bool Contains(const IpAddress& address) const { return LongestMatch(address) != nullptr; }
  bool empty() const { return prefixes_.empty(); }
  const std::vector<Prefix>& prefixes() const { return prefixes_; }
  bool operator==(const PrefixSet& other) const { return prefixes_ == other.prefixes_; }

 private:
  // An address as a number.
  struct Key {
    uint64_t high = 0;
    uint64_t low = 0;
    auto operator<=>(const Key&) const = default;
  };
  // From `start` to the next cut, the longest prefix is the one at `longest`, or there is none.
  struct Cut {
    Key start;
    size_t longest = 0;
  };
  static constexpr size_t kNoPrefix = SIZE_MAX;
  static Key KeyOf(const IpAddress& address);
  void MakeCuts(Family family, std::vector<Cut>& cuts) const;

  std::vector<Prefix> prefixes_;
  std::vector<Cut> cuts4_;  // sorted
  std::vector<Cut> cuts6_;
};

struct Endpoint {
  IpAddress address;
  uint16_t port = 0;
  std::string ToString() const;  // "192.0.2.1:80", "[2001:db8::1]:80"
  auto operator<=>(const Endpoint&) const = default;
};

// A name that could stand in the DNS (RFC 1123, and '_'): 1 to 253 letters, in labels of 1 to 63,
// the last one not all digits, so that a mistyped IPv4 address is no name.
bool IsHostName(std::string_view text);

// Where to connect or listen: an address or a name, and a port.
struct HostPort {
  std::string host;  // without brackets
  uint16_t port = 0;
  std::string ToString() const;  // as ParseHostPort reads it
  bool operator==(const HostPort&) const = default;
};
// "HOST:PORT" or "[V6]:PORT", port 1 to 65535.
Result<HostPort> ParseHostPort(std::string_view text);

}  // namespace parallax

// Keyed per process (SipHash-2-4 with a random key): addresses come off the wire, and an attacker
// who can compute the hash can fill one bucket.
template <>
struct std::hash<parallax::IpAddress> {
  size_t operator()(const parallax::IpAddress& address) const noexcept;
};
