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

// 4 or 16 bytes.
std::optional<IpAddress> ReadAddress(const std::string& bytes);
std::optional<Prefix> ReadPrefix(const v1::Prefix& prefix);
// Text from a sensor ends up on operators' terminals: printable ASCII only, and not much of it.
std::string ReadText(const std::string& text);

}  // namespace parallax::collector
