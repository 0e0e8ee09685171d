#include "common/sensor_files.h"

#include <fmt/format.h>

#include <algorithm>

namespace parallax {
namespace {

std::string TomlList(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) {
    out += fmt::format("{}\"{}\"", out.empty() ? "" : ", ", word);
  }
  return "[" + out + "]";
}

}  // namespace

Result<void> SetTemplateKey(std::string& toml, std::string_view key, const std::string& value) {
  for (const std::string_view mark : {"\n", "\n#"}) {
    const std::string start = fmt::format("{}{} = ", mark, key);
    if (const size_t at = toml.find(start); at != std::string::npos) {
      const size_t end = std::min(toml.find('\n', at + 1), toml.size());
      toml.replace(at, end - at, fmt::format("\n{} = {}", key, value));
      return {};
    }
  }
  return Fail(ErrorCode::kFailure, fmt::format("the built-in template lacks {}", key));
}

Result<std::string> MakeSensorToml(const std::vector<std::string>& addresses,
                                   const std::vector<std::string>& interfaces) {
  std::string toml(kSensorToml);
  auto set = SetTemplateKey(toml, "addresses", TomlList(addresses));
  if (set && !interfaces.empty()) {
    set = SetTemplateKey(toml, "interfaces", TomlList(interfaces));
  }
  if (!set) {
    return tl::make_unexpected(set.error());
  }
  return toml;
}

}  // namespace parallax
