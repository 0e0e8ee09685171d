// Paths as rows of small numbers, and what may have stood where nobody answered. Pure.
//
// Routers limit their answers, so that the same way shows now this silent hop, now that one. Taken
// as they come, a -> ? -> c and a -> b -> c would be two ways, and each bad edge several weaker
// ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <unordered_set>
#include <vector>

namespace parallax::collector {

using PlaceId = uint32_t;
inline constexpr PlaceId kSilence = 0;

// The sensor, then the place of each TTL, kSilence where nobody answered; ends with one that did.
using Trail = std::vector<PlaceId>;

// The next two neighbours on a trail that answered and are different places, as indices: the first
// of them is the place at `at`, which must have answered. A router that repeats itself, because it
// reports the target unreachable, is one place.
struct Step {
  size_t from = 0;
  size_t to = 0;
};
std::optional<Step> NextStep(const Trail& trail, size_t at);

// Two places on a path, and how many TTLs from one to the other.
struct Span {
  PlaceId from = kSilence;
  PlaceId to = kSilence;
  size_t length = 0;
  bool operator==(const Span&) const = default;
};
struct SpanHash {
  size_t operator()(const Span& span) const;
};
using Spans = std::unordered_set<Span, SpanHash>;

// Looks for spans on trails, whatever is between their ends.
class SpanFinder {
 public:
  // For places below `places`.
  explicit SpanFinder(size_t places) : lengths_(places) {}

  void Want(const Span& span);
  bool empty() const { return wanted_.empty(); }
  // Calls `see(span, at)` wherever one of them begins.
  template <typename See>
  void Find(const Trail& trail, See&& see) const {
    for (size_t at = 0; at < trail.size(); ++at) {
      for (const size_t length : lengths_[trail[at]]) {
        if (at + length >= trail.size()) {
          break;  // they are sorted
        }
        const Span span{trail[at], trail[at + length], length};
        if (filter_[SpanHash()(span) % kFilterBits] && wanted_.contains(span)) {
          see(span, at);
        }
      }
    }
  }

 private:
  static constexpr size_t kFilterBits = 1 << 18;

  Spans wanted_;
  std::vector<bool> filter_;  // by hash: clear where none is wanted, which is nearly everywhere
  std::vector<std::vector<size_t>> lengths_;  // of the wanted, by the place they begin at
};

// Puts in for silent hops of `gappy` what answered there on `known` trails, between the same
// places, if it was the same on all of those on which all of it answered.
void FillSilence(std::span<Trail* const> gappy, std::span<Trail* const> known, size_t places);

}  // namespace parallax::collector
