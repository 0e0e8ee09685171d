// What sensors tell, from protobuf to domain values: every field is checked, since it comes from
// another machine. Part of convert.h.
#pragma once

#include <optional>
#include <string>

#include "common/records.h"
#include "common/result.h"
#include "parallax/v1/link.pb.h"

namespace parallax::collector {

Result<Record> ReadRecord(const v1::Record& record);

// The year 2200: the sum of a time and some ages is a time still (int64_t ends in 2262).
inline constexpr uint64_t kLatestTime = 7'258'118'400ull * 1'000'000'000;

// 4 or 16 bytes.
std::optional<IpAddress> ReadAddress(const std::string& bytes);
std::optional<Prefix> ReadPrefix(const v1::Prefix& prefix);
// Text from a sensor ends up on operators' terminals: printable ASCII only, and not much of it.
std::string ReadText(const std::string& text);

}  // namespace parallax::collector
