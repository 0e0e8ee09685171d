// Lists of short texts in one TEXT column, readable with any SQLite tool: one item per line, with
// \n, \t and \\ escaped. Pure functions. Decode accepts whatever Encode made and never fails: odd
// escapes stand for themselves.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "collector/detect/model.h"

namespace parallax::collector {

std::string EncodeList(const std::vector<std::string>& items);
std::vector<std::string> DecodeList(std::string_view text);

// One "key<TAB>value" per line.
std::string EncodeMap(const std::map<std::string, std::string>& items);
std::map<std::string, std::string> DecodeMap(std::string_view text);

std::string EncodeAddresses(const std::vector<IpAddress>& addresses);
std::vector<IpAddress> DecodeAddresses(std::string_view text);
std::string EncodePrefixes(const std::vector<Prefix>& prefixes);
std::vector<Prefix> DecodePrefixes(std::string_view text);

// One hop per line, its routers with spaces between; an empty line: nobody answered.
std::string EncodeHops(const PathHops& hops);
PathHops DecodeHops(std::string_view text);

// One address per line; "recovered<SPACE>" first if it no longer fails.
std::string EncodeTargets(const std::vector<IncidentTarget>& targets);
std::vector<IncidentTarget> DecodeTargets(std::string_view text);

}  // namespace parallax::collector
