#include "collector/detect/localise/trail.h"

#include <algorithm>
#include <unordered_map>

namespace parallax::collector {
namespace {

uint64_t Mix(uint64_t value) {
  value *= 0x9e3779b97f4a7c15;
  return value ^ (value >> 32);
}

Span SpanOf(const Trail& trail, const Step& step) {
  return {trail[step.from], trail[step.to], step.to - step.from};
}

// The next silence between two places that answered, which may be one and the same: packets that go
// round come by again.
std::optional<Step> NextGap(const Trail& trail, size_t at) {
  for (size_t i = at + 1; i < trail.size(); ++i) {
    if (trail[i] == kSilence) {
      continue;
    }
    if (i - at > 1) {
      return Step{at, i};
    }
    at = i;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Step> NextStep(const Trail& trail, size_t at) {
  for (size_t i = at + 1; i < trail.size(); ++i) {
    if (trail[i] == trail[at]) {
      at = i;
    } else if (trail[i] != kSilence) {
      return Step{at, i};
    }
  }
  return std::nullopt;
}

size_t SpanHash::operator()(const Span& span) const {
  return Mix(Mix((uint64_t{span.from} << 32) | span.to) + span.length);
}

void SpanFinder::Want(const Span& span) {
  if (!wanted_.insert(span).second) {
    return;
  }
  filter_.resize(kFilterBits);
  filter_[SpanHash()(span) % kFilterBits] = true;
  std::vector<size_t>& lengths = lengths_[span.from];
  const auto at = std::lower_bound(lengths.begin(), lengths.end(), span.length);
  if (at == lengths.end() || *at != span.length) {
    lengths.insert(at, span.length);
  }
}

void FillSilence(std::span<Trail* const> gappy, std::span<Trail* const> known, size_t places) {
  SpanFinder finder(places);
  for (const Trail* trail : gappy) {
    for (auto gap = NextGap(*trail, 0); gap; gap = NextGap(*trail, gap->to)) {
      finder.Want(SpanOf(*trail, *gap));
    }
  }
  if (finder.empty()) {
    return;
  }
  // What is between, all of it answered; empty if it was not the same everywhere.
  std::unordered_map<Span, std::span<const PlaceId>, SpanHash> between;
  for (const Trail* trail : known) {
    finder.Find(*trail, [&](const Span& span, size_t at) {
      const std::span<const PlaceId> inner(trail->data() + at + 1, span.length - 1);
      if (std::find(inner.begin(), inner.end(), kSilence) != inner.end()) {
        return;
      }
      const auto [found, added] = between.try_emplace(span, inner);
      if (!added &&
          !std::equal(inner.begin(), inner.end(), found->second.begin(), found->second.end())) {
        found->second = {};
      }
    });
  }
  for (Trail* trail : gappy) {
    for (auto gap = NextGap(*trail, 0); gap; gap = NextGap(*trail, gap->to)) {
      if (const auto found = between.find(SpanOf(*trail, *gap)); found != between.end()) {
        std::copy(found->second.begin(), found->second.end(),
                  trail->begin() + static_cast<std::ptrdiff_t>(gap->from + 1));
      }
    }
  }
}

}  // namespace parallax::collector
