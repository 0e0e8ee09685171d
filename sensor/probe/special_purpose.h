// The address ranges that are set aside for special purposes (IANA's registries of RFC 6890 and
// its updates, multicast and class E included), with their names. Pure.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "common/ip.h"

namespace parallax::sensor {

struct SpecialRange {
  Prefix prefix;
  std::string_view name;  // as policy.toml spells it, e.g. "private-use"; several ranges share one
};

std::span<const SpecialRange> SpecialRanges();

// The most specific range that holds the address; nullptr if it is an ordinary one.
const SpecialRange* FindSpecialRange(const IpAddress& address);

}  // namespace parallax::sensor
