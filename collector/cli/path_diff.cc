#include "collector/cli/path_diff.h"

#include <algorithm>
#include <map>
#include <optional>

namespace parallax::cli {
namespace {

bool SameHops(const v1::TracedPath& a, const v1::TracedPath& b) {
  return std::equal(a.hops().begin(), a.hops().end(), b.hops().begin(), b.hops().end(),
                    [](const v1::Hop& x, const v1::Hop& y) {
                      return std::equal(x.routers().begin(), x.routers().end(), y.routers().begin(),
                                        y.routers().end());
                    });
}

// A router that both name; "" if one of them is silent; nullopt if they differ.
std::optional<std::string> Shared(const v1::Hop& a, const v1::Hop& b) {
  if (a.routers().empty() || b.routers().empty()) {
    return std::string();
  }
  for (const std::string& router : a.routers()) {
    if (std::find(b.routers().begin(), b.routers().end(), router) != b.routers().end()) {
      return router;
    }
  }
  return std::nullopt;
}

PathDiff Compare(const v1::TracedPath& first, const v1::TracedPath& second) {
  PathDiff diff;
  diff.first = first;
  diff.second = second;
  const int shorter = std::min(first.hops_size(), second.hops_size());
  int ttl = 0;
  for (; ttl < shorter; ++ttl) {
    const auto shared = Shared(first.hops(ttl), second.hops(ttl));
    if (!shared) {
      diff.relation = PathDiff::Relation::kParts;
      return diff;
    }
    if (!shared->empty()) {
      diff.last_common_ttl = ttl + 1;
      diff.last_common = *shared;
    }
  }
  if (first.hops_size() < second.hops_size()) {
    diff.relation = PathDiff::Relation::kFirstEndsEarlier;
  } else if (second.hops_size() < first.hops_size()) {
    diff.relation = PathDiff::Relation::kSecondEndsEarlier;
  }
  return diff;
}

}  // namespace

std::string_view ToString(PathDiff::Relation relation) {
  switch (relation) {
    case PathDiff::Relation::kSame:
      return "same";
    case PathDiff::Relation::kParts:
      return "parts";
    case PathDiff::Relation::kFirstEndsEarlier:
      return "first_ends_earlier";
    case PathDiff::Relation::kSecondEndsEarlier:
      return "second_ends_earlier";
  }
  return "same";
}

std::vector<v1::TracedPath> LatestPaths(const v1::PathList& list) {
  std::map<std::string, v1::TracedPath> latest;  // traces come first, the newest of all
  for (const auto& path : list.items()) {
    latest.emplace(path.sensor(), path);
  }
  std::vector<v1::TracedPath> paths;
  for (auto& [sensor, path] : latest) {
    paths.push_back(std::move(path));
  }
  return paths;
}

std::vector<PathDiff> DiffOf(const v1::PathList& list, const std::string& from,
                             const std::string& with) {
  const std::vector<v1::TracedPath> latest = LatestPaths(list);
  const auto other = std::find_if(latest.begin(), latest.end(),
                                  [&](const auto& path) { return path.sensor() == with; });
  std::vector<PathDiff> diffs;
  for (const v1::TracedPath& now : latest) {
    if ((!from.empty() && now.sensor() != from) || now.sensor() == with) {
      continue;
    }
    if (!with.empty()) {
      if (other != latest.end()) {
        diffs.push_back(Compare(now, *other));
      }
      continue;
    }
    const auto before = std::find_if(list.items().begin(), list.items().end(), [&](const auto& p) {
      return p.sensor() == now.sensor() && p.traced_at() < now.traced_at() &&
             (p.remembered() || p.end() == "reached") && !SameHops(p, now);
    });
    if (before != list.items().end()) {
      diffs.push_back(Compare(now, *before));
    }
  }
  return diffs;
}

Json ToJson(const PathDiff& diff) {
  return {{"relation", ToString(diff.relation)},
          {"last_common", diff.last_common.empty() ? Json(nullptr) : Json(diff.last_common)},
          {"last_common_ttl", diff.last_common_ttl},
          {"first", ToJson(diff.first)},
          {"second", ToJson(diff.second)}};
}

}  // namespace parallax::cli
