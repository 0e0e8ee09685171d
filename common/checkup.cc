#include "common/checkup.h"

#include <fmt/format.h>

#include <algorithm>

namespace parallax {
namespace {

using namespace std::chrono_literals;

size_t Count(const std::vector<CheckLine>& lines, Finding finding) {
  return static_cast<size_t>(std::ranges::count(lines, finding, &CheckLine::finding));
}

// Names and reasons come from files and from the network: no control characters on a terminal.
std::string OneLine(std::string_view text) {
  std::string line;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      line += "; ";
    } else {
      line += byte < 0x20 || byte == 0x7f ? '?' : c;
    }
  }
  while (line.ends_with("; ")) {
    line.resize(line.size() - 2);
  }
  return line;
}

// Bytes beyond ASCII stay if they are UTF-8 in form; what cannot be is shown as '?'.
std::string JsonText(std::string_view text) {
  std::string out = "\"";
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte == '"' || byte == '\\') {
      out += '\\';
      out += text[i];
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\u{:04x}", byte);
    } else if (byte < 0x80) {
      out += text[i];
    } else {
      const size_t more = byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : byte >= 0xc2 ? 1 : 0;
      const std::string_view rest = text.substr(i + 1, more);
      const bool sound =
          more > 0 && byte < 0xf5 && rest.size() == more && std::ranges::all_of(rest, [](char c) {
            return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
          });
      if (sound) {
        out += text.substr(i, more + 1);
        i += more;
      } else {
        out += '?';
      }
    }
  }
  return out + '"';
}

}  // namespace

std::string_view ToString(Finding finding) {
  switch (finding) {
    case Finding::kOk:
      return "OK";
    case Finding::kWarn:
      return "WARN";
    case Finding::kFail:
      break;
  }
  return "FAIL";
}

std::string CheckupTable(const std::vector<CheckLine>& lines) {
  size_t width = 0;
  for (const CheckLine& line : lines) {
    width = std::max(width, OneLine(line.check).size());
  }
  std::string text;
  for (const CheckLine& line : lines) {
    text += fmt::format("{:<5} {:<{}}  {}\n", ToString(line.finding), OneLine(line.check), width,
                        OneLine(line.says));
    if (!line.fix.empty()) {
      text += fmt::format("{:<5} {:<{}}  fix: {}\n", "", "", width, OneLine(line.fix));
    }
  }
  return text + fmt::format("{} ok, {} to look at, {} failed\n", Count(lines, Finding::kOk),
                            Count(lines, Finding::kWarn), Count(lines, Finding::kFail));
}

std::string CheckupJson(const std::vector<CheckLine>& lines) {
  const Finding worst =
      lines.empty() ? Finding::kOk : std::ranges::max(lines, {}, &CheckLine::finding).finding;
  std::string text = fmt::format(
      "{{\n  \"api_version\": \"parallax/v1\",\n  \"kind\": \"Checkup\",\n  \"result\": \"{}\",\n"
      "  \"items\": [",
      ToString(worst));
  for (const CheckLine& line : lines) {
    text += fmt::format("{}\n    {{\"check\": {}, \"finding\": \"{}\", \"says\": {}, \"fix\": {}}}",
                        &line == &lines.front() ? "" : ",", JsonText(line.check),
                        ToString(line.finding), JsonText(line.says),
                        line.fix.empty() ? "null" : JsonText(line.fix));
  }
  return text + "\n  ]\n}\n";
}

int CheckupExitCode(const std::vector<CheckLine>& lines) {
  return Count(lines, Finding::kFail) > 0 ? 1 : 0;
}

std::string ShellWord(std::string_view word) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@%+=,";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string_view::npos) {
    return std::string(word);
  }
  std::string quoted = "'";
  for (const char c : word) {
    quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  }
  return quoted + "'";
}

std::string MendTheLines(std::string_view file) {
  return "mend the lines that are named: \"${EDITOR:-vi}\" " + ShellWord(file);
}

std::string Roughly(Duration time) {
  const auto of = [&](Duration unit, const char* name) {
    const auto number = time / unit;
    return fmt::format("{} {}{}", number, name, number == 1 ? "" : "s");
  };
  return time >= 48h ? of(24h, "day") : time >= 2h ? of(1h, "hour") : of(1min, "minute");
}

std::string SizeText(uint64_t bytes) {
  constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB", "PiB"};
  if (bytes < 1024) {
    return fmt::format("{} bytes", bytes);
  }
  double size = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (size >= 1024 && unit + 1 < std::size(kUnits)) {
    size /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", size, kUnits[unit]);
}

CheckLine JudgeValidity(std::string check, const std::string& file, WallTime not_before,
                        WallTime not_after, WallTime now, const std::string& fix) {
  constexpr int kThird = 3;
  CheckLine line{std::move(check), Finding::kOk, {}, {}};
  const std::string until =
      FormatRfc3339(std::chrono::floor<std::chrono::seconds>(not_after)).substr(0, 19) + "Z";
  if (now < not_before) {
    line = {line.check, Finding::kFail,
            fmt::format("{}: not valid before {}, and the clock here says {}", file,
                        FormatRfc3339(not_before), FormatRfc3339(now)),
            "timedatectl set-ntp true"};
  } else if (now > not_after) {
    line = {line.check, Finding::kFail, fmt::format("{}: expired at {}", file, until), fix};
  } else if (not_after - now < (not_after - not_before) / kThird) {
    line = {line.check, Finding::kWarn,
            fmt::format("{}: valid until {}, {} more; a new one is due in its last third", file,
                        until, Roughly(not_after - now)),
            fix};
  } else {
    line.says = fmt::format("{}: valid until {}, {} more", file, until, Roughly(not_after - now));
  }
  return line;
}

}  // namespace parallax
