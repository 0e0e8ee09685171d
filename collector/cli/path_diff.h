// Ways to a host compared: the one that packets take now with the one they took in peace, or with
// that of another sensor. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "collector/cli/json.h"
#include "parallax/v1/operator.pb.h"

namespace parallax::cli {

struct PathDiff {
  enum class Relation : uint8_t { kSame, kParts, kFirstEndsEarlier, kSecondEndsEarlier };

  v1::TracedPath first;   // now
  v1::TracedPath second;  // in peace, or from another sensor
  Relation relation = Relation::kSame;
  int last_common_ttl = 0;  // 0: they differ from the first hop on
  std::string last_common;  // a router that both name there; empty: none
};
std::string_view ToString(PathDiff::Relation relation);

// Of each sensor the newest trace, or what is remembered if there is none; by sensor.
std::vector<v1::TracedPath> LatestPaths(const v1::PathList& list);

// For each sensor (`from` "": all) its newest trace against the newest way before it that led to
// the target and is another one, else what is remembered. With `with`: against the newest of that
// sensor. Hops that did not answer match anything. By sensor; sensors with nothing to compare are
// left out.
std::vector<PathDiff> DiffOf(const v1::PathList& list, const std::string& from,
                             const std::string& with);

Json ToJson(const PathDiff& diff);

}  // namespace parallax::cli
