// One record, from domain value to protobuf. Part of convert.h.
#pragma once

#include <string>

#include "common/records.h"
#include "parallax/v1/link.pb.h"

namespace parallax::sensor {

void Fill(const Record& record, v1::Record* out);
void FillPrefix(const Prefix& prefix, v1::Prefix* out);

std::string Bytes(const IpAddress& address);
// Names of interfaces are any bytes; a string that is no UTF-8 would make the whole message
// unreadable. And nothing gets so long that a record could outgrow the spool.
std::string Text(const std::string& text);
uint64_t Nanos(Duration d);  // 0 if negative

}  // namespace parallax::sensor
