#include "sensor/probe/trace/path.h"

#include <algorithm>

#include "common/siphash.h"

namespace parallax::sensor {
namespace {

// Part of the id's definition: never to be changed.
constexpr HashKey kPathIdKey = {0x706172616c6c6178u, 0x706174682d696431u};  // "parallaxpath-id1"

bool IsComplaint(const PathNode& node) {
  return node.kind == AnswerKind::kError && node.meaning != ErrorMeaning::kTimeExceeded;
}

bool HasNode(const PathHop& hop, const IpAddress& address) {
  return std::any_of(hop.nodes.begin(), hop.nodes.end(),
                     [&](const PathNode& node) { return node.address == address; });
}

std::optional<IpAddress> SharedNode(const PathHop& a, const PathHop& b) {
  for (const PathNode& node : a.nodes) {
    if (HasNode(b, node.address)) {
      return node.address;
    }
  }
  return std::nullopt;
}

std::vector<PathHop> HopsFrom(const Path& path, uint8_t ttl) {
  std::vector<PathHop> hops;
  std::copy_if(path.hops.begin(), path.hops.end(), std::back_inserter(hops),
               [&](const PathHop& hop) { return hop.ttl >= ttl; });
  return hops;
}

// The TTL of the last forwarding hop; 0: there is none.
unsigned LastForwardingTtl(const Path& path) {
  const size_t count = path.ForwardingHops();
  return count == 0 ? 0u : path.hops[count - 1].ttl;
}

std::optional<IpAddress> FirstShared(const std::vector<PathHop>& first,
                                     const std::vector<PathHop>& second) {
  for (const PathHop& a : first) {
    for (const PathHop& b : second) {
      if (const auto shared = SharedNode(a, b)) {
        return shared;
      }
    }
  }
  return std::nullopt;
}

}  // namespace

std::string_view ToString(HopState state) {
  switch (state) {
    case HopState::kUnknown:
      return "unknown";
    case HopState::kAnswering:
      return "answering";
    case HopState::kSilent:
      return "silent";
    case HopState::kRateLimited:
      return "rate_limited";
  }
  return "unknown";
}

std::string_view ToString(PathRelation relation) {
  switch (relation) {
    case PathRelation::kEqual:
      return "equal";
    case PathRelation::kFirstEndsEarlier:
      return "first_ends_earlier";
    case PathRelation::kSecondEndsEarlier:
      return "second_ends_earlier";
    case PathRelation::kPart:
      return "part";
  }
  return "unknown";
}

void RttRange::Add(Duration rtt) {
  min = count == 0 ? rtt : std::min(min, rtt);
  max = count == 0 ? rtt : std::max(max, rtt);
  sum += rtt;
  ++count;
}

size_t Path::ForwardingHops() const {
  size_t count = hops.size();
  while (count > 0) {
    const PathHop& last = hops[count - 1];
    if (last.nodes.empty()) {
      --count;
      continue;
    }
    // A router that drops a packet for want of a route may say so at its own TTL, or only at the
    // next one, after a time exceeded at its own.
    size_t before = count - 1;
    while (before > 0 && hops[before - 1].nodes.empty()) {
      --before;
    }
    const bool repeats =
        before > 0 && std::all_of(last.nodes.begin(), last.nodes.end(), [&](const PathNode& node) {
          return IsComplaint(node) && HasNode(hops[before - 1], node.address);
        });
    if (!repeats) {
      break;
    }
    count = before;
  }
  return count;
}

uint64_t Path::Id() const {
  std::vector<uint8_t> data;
  for (size_t i = 0, count = ForwardingHops(); i < count; ++i) {
    std::vector<IpAddress> addresses;
    for (const PathNode& node : hops[i].nodes) {
      addresses.push_back(node.address);
    }
    std::sort(addresses.begin(), addresses.end());
    data.push_back(hops[i].ttl);
    data.push_back(static_cast<uint8_t>(std::min<size_t>(addresses.size(), 255)));
    for (const IpAddress& address : addresses) {
      data.push_back(static_cast<uint8_t>(address.family()));
      data.insert(data.end(), address.bytes().begin(), address.bytes().end());
    }
  }
  return SipHash24(kPathIdKey, data);
}

const PathHop* Path::FindHop(uint8_t ttl) const {
  const auto it =
      std::find_if(hops.begin(), hops.end(), [&](const PathHop& hop) { return hop.ttl == ttl; });
  return it == hops.end() ? nullptr : &*it;
}

PathComparison Compare(const Path& first, const Path& second) {
  PathComparison result;
  const unsigned first_last = LastForwardingTtl(first);
  const unsigned second_last = LastForwardingTtl(second);
  const unsigned both = std::min(first_last, second_last);
  unsigned parts_at = 0;
  for (unsigned ttl = 1; ttl <= both && parts_at == 0; ++ttl) {
    const PathHop* a = first.FindHop(static_cast<uint8_t>(ttl));
    const PathHop* b = second.FindHop(static_cast<uint8_t>(ttl));
    if (a == nullptr || b == nullptr || a->nodes.empty() || b->nodes.empty()) {
      continue;
    }
    if (const auto shared = SharedNode(*a, *b)) {
      result.last_common_ttl = static_cast<uint8_t>(ttl);
      result.last_common = shared;
    } else {
      parts_at = ttl;
      result.relation = PathRelation::kPart;
    }
  }
  if (parts_at == 0 && first_last != second_last) {
    parts_at = both + 1;
    result.relation = first_last < second_last ? PathRelation::kFirstEndsEarlier
                                               : PathRelation::kSecondEndsEarlier;
  }
  if (parts_at != 0) {
    result.parts_at = static_cast<uint8_t>(parts_at);
    result.first_after = HopsFrom(first, *result.parts_at);
    result.second_after = HopsFrom(second, *result.parts_at);
    if (result.relation == PathRelation::kPart) {
      result.rejoin = FirstShared(result.first_after, result.second_after);
    }
  }
  return result;
}

}  // namespace parallax::sensor
