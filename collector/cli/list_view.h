// Lists as a person or a script wants them: which items, in what order, which fields, as a table or
// as CSV. Works on the JSON of the items (json.h), so that a field has one name everywhere:
// "last_seen_at", or "suspect.from" for one inside another. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "collector/cli/json.h"
#include "common/result.h"

namespace parallax::cli {

// What an item must be to be shown.
struct Condition {
  enum class Kind {
    kIs,     // the field is one of the values
    kHas,    // the field, a list or an object, has one of the values as element or key
    kSince,  // the field, a time, is no earlier than the value (RFC 3339)
  };
  Kind kind = Kind::kIs;
  std::string field;
  std::vector<std::string> values;
};

struct ListWish {
  std::vector<std::string> columns;  // empty: all
  std::string sort;                  // "FIELD", "-FIELD" for the largest first, "": as they come
  bool header = true;
  std::vector<Condition> where;
};

// The fields that items of this kind ("SensorList", "Sensor", "Matrix", ...) have, in their order;
// empty for a kind that has no fixed ones.
std::vector<std::string> FieldsOf(std::string_view kind);
// The field that names an item, such as "address"; "" if items of this kind have no name.
std::string_view NameFieldOf(std::string_view kind);

// kUsage, with what was probably meant, if a field that is wished for does not exist.
Result<void> CheckWish(const ListWish& wish, std::string_view kind);

// The indices of the items that meet all conditions, in the order that is wished for. Numbers go by
// value, addresses by number, names with numbers in them as people count ("INC-9" before "INC-10").
// What an item does not have comes last.
std::vector<size_t> Select(const Json& items, const ListWish& wish);

// One field as text: "" for null, elements of lists joined by "; ", objects as "key=value; ...".
std::string FieldText(const Json& item, std::string_view field);

// RFC 4180, but lines end with \n alone. A cell that a spreadsheet would take for a formula begins
// with an apostrophe.
std::string Csv(const Json& items, std::span<const std::string> fields, bool header);
// A table of these fields.
std::string FieldTable(const Json& items, std::span<const std::string> fields, bool header,
                       bool colour);
// The names alone, a line each.
std::string NameLines(const Json& items, std::string_view field);

}  // namespace parallax::cli
