#include "collector/cli/list_view.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <compare>
#include <map>

#include "collector/cli/path_diff.h"
#include "collector/cli/table.h"
#include "common/config_text.h"
#include "common/ip.h"
#include "parallax/v1/operator.pb.h"

namespace parallax::cli {
namespace {

struct Kind {
  Json item;  // an empty one, with all its fields
  std::string_view name;
};

Json EmptyIncident() {
  v1::Incident incident;
  incident.mutable_suspect();
  return ToJson(incident);
}

Json EmptyAnswer() {
  v1::ProbeAnswer answer;
  answer.set_received(1);  // has times
  answer.set_error("-");
  return ToJson(answer);
}

const std::map<std::string, Kind, std::less<>>& Kinds() {
  static const auto* kinds = [] {
    const Kind sensor{ToJson(v1::Sensor()), "name"};
    const Kind target{ToJson(v1::Target()), "address"};
    const Kind incident{EmptyIncident(), "id"};
    const Kind token{ToJson(v1::Token()), "id"};
    return new std::map<std::string, Kind, std::less<>>{
        {"SensorList", sensor},
        {"Sensor", sensor},
        {"SensorTrust", {ToJson(v1::SensorTrust()), "name"}},
        {"TargetList", target},
        {"Target", target},
        {"IncidentList", incident},
        {"Incident", incident},
        {"Matrix", target},
        {"TokenList", token},
        {"Token", token},
        {"SynTop", {ToJson(v1::SynTopRow()), "key"}},
        {"SynServerList", {ToJson(v1::SynServer()), "server"}},
        {"PathList", {ToJson(v1::TracedPath()), "sensor"}},
        {"PathDiffList", {ToJson(PathDiff()), "first.sensor"}},
        {"ProbeList", {EmptyAnswer(), "sensor"}},
        {"Status", {ToJson(v1::Status()), ""}},
    };
  }();
  return *kinds;
}

void AddFields(const Json& item, const std::string& before, std::vector<std::string>& fields) {
  for (const auto& [key, value] : item.items()) {
    if (value.is_object() && !value.empty()) {
      AddFields(value, before + key + ".", fields);
    } else {
      fields.push_back(before + key);
    }
  }
}

// Null if it is not there. A key with a dot in it, such as a sensor's name, is found as well.
const Json& FieldIn(const Json& item, std::string_view field) {
  static const Json kNull = nullptr;
  if (!item.is_object()) {
    return kNull;
  }
  if (const auto whole = item.find(std::string(field)); whole != item.end()) {
    return *whole;
  }
  const size_t dot = field.find('.');
  const auto outer = dot == field.npos ? item.end() : item.find(std::string(field.substr(0, dot)));
  return outer == item.end() ? kNull : FieldIn(*outer, field.substr(dot + 1));
}

std::string TextOf(const Json& value) {
  if (value.is_null()) {
    return {};
  }
  if (value.is_string()) {
    return value.get<std::string>();
  }
  std::string out;
  const auto add = [&out](const std::string& text) { out += (out.empty() ? "" : "; ") + text; };
  if (value.is_array()) {
    for (const Json& element : value) {
      add(element.is_object() ? element.dump(-1, ' ', false, Json::error_handler_t::replace)
                              : TextOf(element));
    }
    return out;
  }
  if (value.is_object()) {
    for (const auto& [key, element] : value.items()) {
      add(key + "=" + TextOf(element));
    }
    return out;
  }
  return value.dump();
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// As people count: runs of digits go by their value.
std::strong_ordering CompareTexts(std::string_view a, std::string_view b) {
  while (!a.empty() && !b.empty()) {
    if (IsDigit(a.front()) && IsDigit(b.front())) {
      const auto run = [](std::string_view& text) {
        text.remove_prefix(std::min(text.find_first_not_of('0'), text.size()));
        const size_t size =
            std::min(static_cast<size_t>(std::ranges::find_if_not(text, IsDigit) - text.begin()),
                     text.size());
        const std::string_view digits = text.substr(0, size);
        text.remove_prefix(size);
        return digits;
      };
      const std::string_view left = run(a);
      const std::string_view right = run(b);
      const auto order =
          left.size() != right.size() ? left.size() <=> right.size() : left <=> right;
      if (order != 0) {
        return order;
      }
      continue;
    }
    if (a.front() != b.front()) {
      return a.front() <=> b.front();
    }
    a.remove_prefix(1);
    b.remove_prefix(1);
  }
  return a.size() <=> b.size();
}

bool Less(const Json& a, const Json& b) {
  if (a.is_number() && b.is_number()) {
    return a < b;
  }
  const std::string left = TextOf(a);
  const std::string right = TextOf(b);
  const auto left_address = IpAddress::Parse(left);
  const auto right_address = IpAddress::Parse(right);
  if (left_address && right_address) {
    return *left_address < *right_address;
  }
  return CompareTexts(left, right) < 0;
}

bool IsMissing(const Json& value) {
  return value.is_null() || (value.is_string() && value.get_ref<const std::string&>().empty());
}

bool Meets(const Json& item, const Condition& condition) {
  const Json& value = FieldIn(item, condition.field);
  return std::ranges::any_of(condition.values, [&](const std::string& wanted) {
    switch (condition.kind) {
      case Condition::Kind::kIs:
        return TextOf(value) == wanted;
      case Condition::Kind::kSince:
        return value.is_string() && value.get_ref<const std::string&>() >= wanted;
      case Condition::Kind::kHas:
        break;
    }
    return value.is_object()
               ? value.contains(wanted)
               : value.is_array() && std::find(value.begin(), value.end(), wanted) != value.end();
  });
}

std::string CsvCell(std::string text) {
  if (!text.empty() && std::string_view("=+@\t\r").find(text.front()) != std::string_view::npos) {
    text.insert(0, "'");
  }
  if (text.find_first_of(",\"\r\n") == text.npos) {
    return text;
  }
  std::string quoted = "\"";
  for (const char c : text) {
    quoted += c;
    if (c == '"') {
      quoted += c;
    }
  }
  return quoted + "\"";
}

std::string_view SortField(const ListWish& wish) {
  return std::string_view(wish.sort).substr(wish.sort.starts_with('-') ? 1 : 0);
}

}  // namespace

std::vector<std::string> FieldsOf(std::string_view kind) {
  std::vector<std::string> fields;
  if (const auto found = Kinds().find(kind); found != Kinds().end()) {
    AddFields(found->second.item, {}, fields);
  }
  return fields;
}

std::string_view NameFieldOf(std::string_view kind) {
  const auto found = Kinds().find(kind);
  return found == Kinds().end() ? std::string_view() : found->second.name;
}

Result<void> CheckWish(const ListWish& wish, std::string_view kind) {
  const std::vector<std::string> fields = FieldsOf(kind);
  std::vector<std::string> wanted = wish.columns;
  if (!wish.sort.empty()) {
    wanted.emplace_back(SortField(wish));
  }
  for (const std::string& one : wanted) {
    const std::string_view outer = std::string_view(one).substr(0, one.find('.'));
    // What is in an object whose keys are names from elsewhere, as reach.mail1, may not be there.
    if (std::ranges::find(fields, one) != fields.end() ||
        (outer != one && std::ranges::find(fields, outer) != fields.end())) {
      continue;
    }
    const auto nearest = NearestName(one, NameSet(fields.begin(), fields.end()));
    return Fail(ErrorCode::kUsage,
                fmt::format("there is no field \"{}\" here{}; there are: {}", Printable(one),
                            nearest ? fmt::format(" (did you mean {}?)", *nearest) : "",
                            fmt::join(fields, ", ")));
  }
  return {};
}

std::vector<size_t> Select(const Json& items, const ListWish& wish) {
  std::vector<size_t> chosen;
  for (size_t i = 0; i < items.size(); ++i) {
    if (std::ranges::all_of(wish.where, [&](const auto& one) { return Meets(items[i], one); })) {
      chosen.push_back(i);
    }
  }
  if (wish.sort.empty()) {
    return chosen;
  }
  const std::string_view field = SortField(wish);
  const bool largest_first = wish.sort.starts_with('-');
  std::ranges::stable_sort(chosen, [&](size_t left, size_t right) {
    const Json& a = FieldIn(items[left], field);
    const Json& b = FieldIn(items[right], field);
    if (IsMissing(a) || IsMissing(b)) {
      return !IsMissing(a) && IsMissing(b);
    }
    return largest_first ? Less(b, a) : Less(a, b);
  });
  return chosen;
}

std::string FieldText(const Json& item, std::string_view field) {
  return TextOf(FieldIn(item, field));
}

std::string Csv(const Json& items, std::span<const std::string> fields, bool header) {
  std::string out;
  const auto line = [&](auto text_of) {
    for (size_t i = 0; i < fields.size(); ++i) {
      out += (i == 0 ? "" : ",") + CsvCell(text_of(fields[i]));
    }
    out += '\n';
  };
  if (header) {
    line([](const std::string& field) { return field; });
  }
  for (const Json& item : items) {
    line([&](const std::string& field) { return FieldText(item, field); });
  }
  return out;
}

std::string FieldTable(const Json& items, std::span<const std::string> fields, bool header,
                       bool colour) {
  std::vector<Table::Column> columns;
  for (const std::string& field : fields) {
    const bool number = !items.empty() && std::ranges::all_of(items, [&](const Json& item) {
      const Json& value = FieldIn(item, field);
      return value.is_number() || value.is_null();
    });
    std::string heading = field;
    std::ranges::transform(heading, heading.begin(),
                           [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    columns.push_back({std::move(heading), number ? Table::Align::kRight : Table::Align::kLeft});
  }
  Table table(std::move(columns));
  for (const Json& item : items) {
    std::vector<TableCell> row;
    for (const std::string& field : fields) {
      const std::string text = FieldText(item, field);
      row.emplace_back(text.empty() ? "-" : text);
    }
    table.Add(std::move(row));
  }
  std::string text = table.Text(colour);
  if (!header && !text.empty()) {
    text.erase(0, text.find('\n') + 1);
  }
  return text;
}

std::string NameLines(const Json& items, std::string_view field) {
  std::string out;
  for (const Json& item : items) {
    out += Printable(FieldText(item, field)) + '\n';
  }
  return out;
}

}  // namespace parallax::cli
