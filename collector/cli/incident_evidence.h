// What the evidence of an incident means: for each key that the engine writes, the part of the page
// where it belongs and the words that go around it. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "parallax/v1/operator.pb.h"

namespace parallax::cli {

// The parts of an incident's page that can hold evidence.
enum class Part : uint8_t { kTop, kWhen, kWho, kWhat, kHow, kWhere, kFlood };

// One line of a page: "label  text". Without a label it is a sentence of its own.
struct StoryLine {
  std::string label;
  std::string text;
  bool operator==(const StoryLine&) const = default;
};

struct EvidenceKind {
  std::string_view key;
  Part part;
  std::string_view label;
  std::string_view before;  // the value stands between these
  std::string_view after;
};
std::span<const EvidenceKind> KnownEvidence();

// An incident's evidence, with an account of what has been told: what no sentence has used is told
// by the table, and what the table does not know stands at the end, under its key.
class Evidence {
 public:
  explicit Evidence(const v1::Incident& incident);

  bool Has(std::string_view key) const { return values_.contains(key); }
  // Printable; empty if there is none.
  std::string Peek(std::string_view key) const;
  uint64_t Number(std::string_view key) const;  // 0 if there is none, or it is no number
  // Likewise; it counts as told from now on.
  std::string Tell(std::string_view key);

  // Lines for what belongs to `part` and has not been told; they count as told.
  std::vector<StoryLine> Rest(Part part);
  // What the table does not know, or no part has told.
  std::vector<StoryLine> Others();

 private:
  std::map<std::string, std::string, std::less<>> values_;
  std::set<std::string, std::less<>> told_;
};

}  // namespace parallax::cli
