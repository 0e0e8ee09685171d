#include "collector/cli/answer.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "collector/cli/words.h"

namespace parallax::cli {
namespace {

constexpr Duration kPatience = std::chrono::seconds(30);
constexpr uint32_t kScreenful = 50;

}  // namespace

Look LookOf(int stream) {
  const char* no_colour = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  Look look;
  look.colour = ::isatty(stream) == 1 && (no_colour == nullptr || *no_colour == '\0') &&
                terminal != nullptr && std::string_view(terminal) != "dumb";
  return look;
}

Look LookFor(const Options& options) {
  Look look = LookOf(STDOUT_FILENO);
  look.in_order = !options.list.sort.empty();
  return look;
}

void Put(std::FILE* stream, std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stream);
}

Result<void> Flushed() {
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    return Fail(ErrorCode::kFailure, "cannot write the answer to standard output");
  }
  return {};
}

Result<void> Print(const Page& page) {
  Put(stdout, page.data);
  auto done = Flushed();
  Put(stderr, page.notes);
  return done;
}

namespace {

Result<void> PrintJson(const Json& json, int indent) {
  Put(stdout, Dump(json, indent));
  return Flushed();
}

Result<void> PrintLines(const Json& items) {
  for (const auto& item : items) {
    Put(stdout, Dump(item, -1));
  }
  return Flushed();
}

}  // namespace

namespace {

bool HasObjects(const Json& items, std::string_view field) {
  return std::ranges::any_of(items, [&](const Json& item) {
    const auto value = item.find(std::string(field));
    return value != item.end() && value->is_array() && !value->empty() &&
           value->front().is_object();
  });
}

std::vector<std::string> ColumnsOf(const Options& options, const char* kind, const Json& items) {
  if (!options.list.columns.empty()) {
    return options.list.columns;
  }
  std::vector<std::string> fields = FieldsOf(kind);
  if (options.format == Format::kWide) {  // nobody reads lists of things in a cell
    std::erase_if(fields, [&](const std::string& field) { return HasObjects(items, field); });
  }
  return fields;
}

}  // namespace

Result<void> PrintList(const Options& options, const char* kind, const Json& extra,
                       const Json& items, uint64_t total) {
  if (auto sound = CheckWish(options, kind); !sound) {
    return sound;
  }
  switch (options.format) {
    case Format::kJsonl:
      return PrintLines(items);
    case Format::kName:
      Put(stdout, NameLines(items, NameFieldOf(kind)));
      return Flushed();
    case Format::kCsv:
      Put(stdout, Csv(items, ColumnsOf(options, kind, items), options.list.header));
      return Flushed();
    case Format::kDefault:
    case Format::kTable:
    case Format::kWide: {
      Page page;
      page.data = FieldTable(items, ColumnsOf(options, kind, items), options.list.header,
                             LookOf(STDOUT_FILENO).colour);
      if (items.size() < total) {
        page.notes =
            fmt::format("{} of {} shown; see all with --all\n", Count(items.size()), Count(total));
      } else if (items.empty()) {
        page.notes = "There are none.\n";
      }
      return Print(page);
    }
    case Format::kJson:
      break;
  }
  Json list = WithKind(kind, extra);
  list["items"] = items;
  return PrintJson(list, 2);
}

Result<void> PrintOne(const Options& options, const char* kind, const Json& item) {
  switch (options.format) {
    case Format::kJson:
      return PrintJson(WithKind(kind, item), 2);
    case Format::kJsonl:
      return PrintJson(WithKind(kind, item), -1);
    default:
      return PrintList(options, kind, Json::object(), Json::array({item}));
  }
}

Result<void> CheckWish(const Options& options, const char* kind) {
  const bool fields = options.format != Format::kJson && options.format != Format::kJsonl &&
                      options.format != Format::kName;
  if (!options.list.columns.empty() && !fields) {
    return Fail(ErrorCode::kUsage, "--columns goes with -o table, wide and csv");
  }
  if (options.format == Format::kName && NameFieldOf(kind).empty()) {
    return Fail(ErrorCode::kUsage, "there are no names here; -o name goes with lists");
  }
  return CheckWish(options.list, kind);
}

std::string TimeBefore(uint64_t now, Duration since) {
  return FormatRfc3339(FromUnixNanos(static_cast<int64_t>(now)) - since);
}

Result<Client> Connect(const Options& options) {
  return Client::Connect(options.place, options.timeout.value_or(kPatience));
}

bool IsTable(const Options& options) {
  return (options.format == Format::kTable || options.format == Format::kDefault) &&
         options.list.columns.empty() && options.list.header;
}

uint32_t LimitOf(const Options& options) {
  if (options.limit > 0 || options.all) {
    return options.limit;
  }
  const bool for_people = options.format == Format::kDefault || options.format == Format::kTable ||
                          options.format == Format::kWide;
  return for_people && ::isatty(STDOUT_FILENO) == 1 ? kScreenful : 0;
}

uint32_t LimitToAsk(const Options& options) {
  return options.list.where.empty() && options.list.sort.empty() ? LimitOf(options) : 0;
}

}  // namespace parallax::cli
