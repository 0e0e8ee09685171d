#include "collector/cli/answer.h"

#include <unistd.h>

#include <cstdlib>

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

Result<void> PrintList(Format format, const char* kind, const Json& extra, const Json& items) {
  if (format == Format::kJsonl) {
    return PrintLines(items);
  }
  Json list = WithKind(kind, extra);
  list["items"] = items;
  return PrintJson(list, 2);
}

Result<void> PrintOne(Format format, const char* kind, const Json& item) {
  return PrintJson(WithKind(kind, item), format == Format::kJson ? 2 : -1);
}

Result<Client> Connect(const Options& options) {
  return Client::Connect(options.place, options.timeout.value_or(kPatience));
}

bool IsTable(const Options& options) {
  return options.format == Format::kTable || options.format == Format::kDefault;
}

uint32_t LimitOf(const Options& options) {
  if (options.limit > 0 || options.all) {
    return options.limit;
  }
  return IsTable(options) && ::isatty(STDOUT_FILENO) == 1 ? kScreenful : 0;
}

}  // namespace parallax::cli
