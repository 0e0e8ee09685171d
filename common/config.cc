#include "common/config.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <optional>
#include <tuple>
#include <utility>

#include "common/config_text.h"
#include "common/fd.h"

namespace parallax {
namespace {

// Enough to mend a file in one go; a file with more is not a configuration file.
constexpr size_t kMostComplaints = 100;

std::string_view TypeName(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "a list";
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a number with decimals";
    case toml::node_type::boolean:
      return "a boolean";
    default:
      return "a date or time";
  }
}

// A key as its writer knows it: without the numbers of repeated sections.
std::string Shown(std::string_view key) {
  std::string result;
  while (!key.empty()) {
    const std::string_view part = key.substr(0, key.find('.'));
    key.remove_prefix(std::min(key.size(), part.size() + 1));
    if (key.empty() || part.find_first_not_of("0123456789") != part.npos) {
      result += result.empty() ? "" : ".";
      result += part;
    }
  }
  return result;
}

// The element of a list that `part` numbers, if it is a number and a list.
const toml::node* Element(const toml::node& node, std::string_view part) {
  size_t index = 0;
  const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), index);
  const toml::array* array = node.as_array();
  return array != nullptr && error == std::errc() && end == part.data() + part.size()
             ? array->get(index)
             : nullptr;
}

struct Complaint {
  toml::source_position at;
  std::string text;
};

}  // namespace

struct ConfigFile::Impl {
  std::string path;
  toml::table root;
  NameSet known;  // every key that was asked for
  std::vector<Complaint> complaints;

  // Walks `key` without recording it as known. `last` is the deepest node found on the way.
  const toml::node* Walk(std::string_view key, const toml::node** last = nullptr) const {
    const toml::node* node = &root;
    while (true) {
      if (last != nullptr) {
        *last = node;
      }
      const size_t dot = key.find('.');
      const toml::table* table = node->as_table();
      const std::string_view part = key.substr(0, dot);
      node = table != nullptr ? table->get(part) : Element(*node, part);
      if (node == nullptr || dot == key.npos) {
        return node;
      }
      key.remove_prefix(dot + 1);
    }
  }

  // Nullptr if the key is absent. A value where a section belongs is left to FindUnknown.
  const toml::node* Find(std::string_view key) {
    known.emplace(key);
    return Walk(key);
  }

  void Add(toml::source_position at, std::string text) {
    complaints.push_back({at, std::move(text)});
  }

  void AddFor(const toml::node& node, std::string_view key, std::string_view message) {
    Add(node.source().begin, fmt::format("{}: {}", Shown(key), message));
  }

  void AddWrongType(const toml::node& node, std::string_view key, std::string_view wanted) {
    AddFor(node, key, fmt::format("must be {}, not {}", wanted, TypeName(node)));
  }

  // Runs `parse` (Result<T>(const std::string&)) over a string value; nullopt after a complaint.
  template <typename Parse>
  auto Parsed(const toml::node& node, std::string_view key, std::string_view wanted, Parse parse)
      -> std::optional<typename decltype(parse(std::string()))::value_type> {
    const auto* text = node.as_string();
    if (text == nullptr) {
      AddWrongType(node, key, wanted);
      return std::nullopt;
    }
    auto value = parse(text->get());
    if (!value) {
      AddFor(node, key, value.error().message);
      return std::nullopt;
    }
    return std::move(*value);
  }

  // The same over each element of a list; elements in error are left out.
  template <typename Parse>
  auto ParsedList(const toml::node& node, std::string_view key, std::string_view wanted,
                  Parse parse) {
    std::vector<typename decltype(parse(std::string()))::value_type> values;
    const toml::array* array = node.as_array();
    if (array == nullptr) {
      AddWrongType(node, key, fmt::format("a list in [ ], each element {}", wanted));
      return values;
    }
    for (const toml::node& element : *array) {
      if (auto value = Parsed(element, key, wanted, parse)) {
        values.push_back(std::move(*value));
      }
    }
    return values;
  }

  NameSet KnownSections() const {
    NameSet sections;
    for (const std::string& key : known) {
      for (size_t dot = key.find('.'); dot != key.npos; dot = key.find('.', dot + 1)) {
        sections.insert(key.substr(0, dot));
      }
    }
    return sections;
  }

  // Complains about every key and section of `table` (found at `path_here`) nobody asked for.
  void FindUnknown(const toml::table& table, const std::string& path_here,
                   const NameSet& sections) {
    for (const auto& [key, node] : table) {
      const toml::source_position at = key.source().begin;
      // "a.b" = 1 is one key, not a and b: quoted, it cannot be taken for one of ours.
      const bool quoted_dot = key.str().find('.') != std::string_view::npos;
      const std::string part =
          quoted_dot ? fmt::format("\"{}\"", key.str()) : std::string(key.str());
      const std::string name = path_here.empty() ? part : fmt::format("{}.{}", path_here, part);
      if (known.contains(name)) {
        continue;
      }
      if (sections.contains(name)) {
        if (const toml::table* inner = node.as_table()) {
          FindUnknown(*inner, name, sections);
        } else if (node.is_array_of_tables() && sections.contains(name + ".0")) {
          for (size_t i = 0; i < node.as_array()->size(); ++i) {
            FindUnknown(*node.as_array()->get(i)->as_table(), fmt::format("{}.{}", name, i),
                        sections);
          }
        } else {
          Add(at, fmt::format("{0}: must be a section, [{0}], not {1}", name, TypeName(node)));
        }
        continue;
      }
      if (node.is_table() || node.is_array_of_tables()) {
        const auto nearest = NearestName(name, sections);
        Add(at, fmt::format("unknown section [{}]{}", Shorten(Shown(name)),
                            nearest ? fmt::format(" (did you mean [{}]?)", Shown(*nearest)) : ""));
      } else {
        const auto nearest = NearestName(name, known);
        Add(at, fmt::format("unknown key {}{}", Shorten(Shown(name)),
                            nearest ? fmt::format(" (did you mean {}?)", Shown(*nearest)) : ""));
      }
    }
  }
};

Result<ConfigFile> ConfigFile::Load(const std::string& path) {
  auto content = ReadSmallFile(path);
  if (!content) {
    return Fail(ErrorCode::kBadConfig,
                fmt::format("cannot read the configuration file: {}", content.error().message));
  }
  return Parse(*content, path);
}

Result<ConfigFile> ConfigFile::Parse(const std::string& content, const std::string& path) {
  if (const auto line = FindTooDeepLine(content)) {
    return Fail(ErrorCode::kBadConfig, fmt::format("{}:{}:1: nested too deeply", path, *line));
  }
  auto impl = std::make_unique<Impl>();
  impl->path = path;
  try {
    impl->root = toml::parse(std::string_view(content), std::string_view(path));
  } catch (const toml::parse_error& error) {
    const auto at = error.source().begin;
    return Fail(ErrorCode::kBadConfig, fmt::format("{}:{}:{}: {}", path, at.line, at.column,
                                                   Printable(error.description())));
  }
  return ConfigFile(std::move(impl));
}

ConfigFile::ConfigFile(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ConfigFile::ConfigFile(ConfigFile&&) noexcept = default;
ConfigFile::~ConfigFile() = default;

std::string ConfigFile::String(std::string_view key, std::string_view fallback) {
  const toml::node* node = impl_->Find(key);
  if (node != nullptr) {
    if (const auto* value = node->as_string()) {
      return value->get();
    }
    impl_->AddWrongType(*node, key, "a string");
  }
  return std::string(fallback);
}

int64_t ConfigFile::Integer(std::string_view key, int64_t fallback, int64_t least, int64_t most) {
  const toml::node* node = impl_->Find(key);
  if (node == nullptr) {
    return fallback;
  }
  const auto* value = node->as_integer();
  if (value == nullptr) {
    impl_->AddWrongType(*node, key, "an integer");
    return fallback;
  }
  if (value->get() < least || value->get() > most) {
    impl_->AddFor(*node, key, fmt::format("must be {} to {}, not {}", least, most, value->get()));
    return fallback;
  }
  return value->get();
}

double ConfigFile::Number(std::string_view key, double fallback, double least, double most) {
  const toml::node* node = impl_->Find(key);
  if (node == nullptr) {
    return fallback;
  }
  if (!node->is_number()) {
    impl_->AddWrongType(*node, key, "a number");
    return fallback;
  }
  const double value = node->value_or<double>(std::nan(""));
  if (!(value >= least && value <= most)) {  // a NaN is out of range, too
    impl_->AddFor(*node, key, fmt::format("must be {} to {}, not {}", least, most, value));
    return fallback;
  }
  return value;
}

bool ConfigFile::Boolean(std::string_view key, bool fallback) {
  const toml::node* node = impl_->Find(key);
  if (node != nullptr) {
    if (const auto* value = node->as_boolean()) {
      return value->get();
    }
    impl_->AddWrongType(*node, key, "true or false");
  }
  return fallback;
}

Duration ConfigFile::Time(std::string_view key, Duration fallback, Duration least, Duration most) {
  const toml::node* node = impl_->Find(key);
  if (node == nullptr) {
    return fallback;
  }
  const auto value = impl_->Parsed(*node, key, "a duration in quotes, for example \"10s\"",
                                   [](const std::string& text) { return ParseDuration(text); });
  if (!value) {
    return fallback;
  }
  if (*value < least || *value > most) {
    impl_->AddFor(*node, key,
                  fmt::format("must be {} to {}, not {}", FormatDuration(least),
                              FormatDuration(most), FormatDuration(*value)));
    return fallback;
  }
  return *value;
}

std::vector<std::string> ConfigFile::Strings(std::string_view key,
                                             std::vector<std::string> fallback) {
  const toml::node* node = impl_->Find(key);
  if (node == nullptr) {
    return fallback;
  }
  return impl_->ParsedList(*node, key, "a string",
                           [](const std::string& text) { return Result<std::string>(text); });
}

PrefixSet ConfigFile::Prefixes(std::string_view key) {
  const toml::node* node = impl_->Find(key);
  if (node == nullptr) {
    return PrefixSet();
  }
  return PrefixSet(impl_->ParsedList(*node, key, "a prefix in quotes, for example \"192.0.2.0/24\"",
                                     [](const std::string& text) { return Prefix::Parse(text); }));
}

void ConfigFile::Elements(std::string_view key, std::string_view wanted,
                          const std::function<Result<void>(const std::string&)>& read) {
  const toml::node* node = impl_->Find(key);
  if (node == nullptr) {
    return;
  }
  const toml::array* array = node->as_array();
  if (array == nullptr) {
    impl_->AddWrongType(*node, key, fmt::format("a list in [ ], each element {}", wanted));
    return;
  }
  for (const toml::node& element : *array) {
    const auto* text = element.as_string();
    const auto* number = element.as_integer();
    if (text == nullptr && number == nullptr) {
      impl_->AddWrongType(element, key, wanted);
    } else if (const auto done =
                   read(text != nullptr ? text->get() : fmt::to_string(number->get()));
               !done) {
      impl_->AddFor(element, key, done.error().message);
    }
  }
}

HostPort ConfigFile::HostAndPort(std::string_view key, std::string_view fallback) {
  const toml::node* node = impl_->Find(key);
  if (node != nullptr) {
    if (auto value = impl_->Parsed(*node, key, "\"HOST:PORT\"",
                                   [](const std::string& text) { return ParseHostPort(text); })) {
      return std::move(*value);
    }
  }
  return ParseHostPort(fallback).value_or(HostPort{});
}

std::vector<HostPort> ConfigFile::HostsAndPorts(std::string_view key) {
  const toml::node* node = impl_->Find(key);
  const toml::array* array = node != nullptr ? node->as_array() : nullptr;
  if (node == nullptr || (array != nullptr && array->empty())) {
    Complain(key, "must name at least one \"HOST:PORT\", for example [\"192.0.2.10:7443\"]");
    return {};
  }
  return impl_->ParsedList(*node, key, "\"HOST:PORT\"",
                           [](const std::string& text) { return ParseHostPort(text); });
}

LogLevel ConfigFile::Level(std::string_view key, LogLevel fallback) {
  const toml::node* node = impl_->Find(key);
  if (node == nullptr) {
    return fallback;
  }
  return impl_
      ->Parsed(*node, key, "a string", [](const std::string& text) { return ParseLogLevel(text); })
      .value_or(fallback);
}

std::string ConfigFile::Path(std::string_view key, std::string_view fallback) {
  std::string name(fallback);
  if (const toml::node* node = impl_->Find(key)) {
    const auto* value = node->as_string();
    if (value == nullptr) {
      impl_->AddWrongType(*node, key, "a file name in quotes");
    } else if (value->get().empty() || value->get().find('\0') != std::string::npos) {
      impl_->AddFor(*node, key, "must be a file name");
    } else {
      name = value->get();
    }
  }
  return name.empty() ? name : (std::filesystem::path(impl_->path).parent_path() / name).string();
}

size_t ConfigFile::Sections(std::string_view key) {
  const toml::node* node = impl_->Walk(key);
  if (node == nullptr) {
    return 0;
  }
  if (!node->is_array_of_tables()) {
    impl_->Find(key);  // known, only not like this
    impl_->AddFor(*node, key, fmt::format("must be sections, each [[{}]]", Shown(key)));
    return 0;
  }
  return node->as_array()->size();
}

bool ConfigFile::Has(std::string_view key) const { return impl_->Walk(key) != nullptr; }

void ConfigFile::Complain(std::string_view key, std::string_view message) {
  const toml::node* last = nullptr;
  const toml::node* node = impl_->Walk(key, &last);
  impl_->AddFor(node != nullptr ? *node : *last, key, message);
}

Result<void> ConfigFile::Finish() {
  auto& complaints = impl_->complaints;
  impl_->FindUnknown(impl_->root, "", impl_->KnownSections());
  if (complaints.empty()) {
    return {};
  }
  std::stable_sort(complaints.begin(), complaints.end(), [](const auto& a, const auto& b) {
    return std::tie(a.at.line, a.at.column) < std::tie(b.at.line, b.at.column);
  });
  std::string message;
  for (size_t i = 0; i < std::min(complaints.size(), kMostComplaints); ++i) {
    // Line 0 is the root of the file: a complaint about something that is not there.
    const auto [line, column] = complaints[i].at;
    message += fmt::format("{}:{}:{}: {}\n", impl_->path, std::max(line, 1u), std::max(column, 1u),
                           Printable(complaints[i].text));
  }
  if (complaints.size() > kMostComplaints) {
    message += fmt::format("... and {} more\n", complaints.size() - kMostComplaints);
  }
  message += complaints.size() == 1 ? "1 error" : fmt::format("{} errors", complaints.size());
  return Fail(ErrorCode::kBadConfig, std::move(message));
}

}  // namespace parallax
