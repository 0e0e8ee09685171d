#include "collector/cli/table.h"

#include <algorithm>

namespace parallax::cli {
namespace {

constexpr size_t kGap = 2;

size_t Width(std::string_view text) {
  return static_cast<size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string_view CodeOf(Colour colour) {
  switch (colour) {
    case Colour::kRed:
      return "\033[31m";
    case Colour::kYellow:
      return "\033[33m";
    case Colour::kGreen:
      return "\033[32m";
    case Colour::kDim:
      return "\033[2m";
    case Colour::kBold:
      return "\033[1m";
    case Colour::kNone:
      break;
  }
  return "";
}

}  // namespace

std::string Printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const bool c1_control = c == 0xc2 && i + 1 < text.size() &&
                            static_cast<unsigned char>(text[i + 1]) < 0xa0;  // U+0080 to U+009F
    if (c1_control) {
      ++i;
    }
    out += c < 0x20 || c == 0x7f || c1_control ? '?' : text[i];
  }
  return out;
}

std::string Paint(std::string_view text, Colour colour, bool enabled) {
  if (!enabled || colour == Colour::kNone) {
    return std::string(text);
  }
  return std::string(CodeOf(colour)) + std::string(text) + "\033[0m";
}

std::string Table::Text(bool colour) const {
  if (rows_.empty()) {
    return "";
  }
  std::vector<size_t> widths;
  for (size_t i = 0; i < columns_.size(); ++i) {
    size_t width = Width(columns_[i].heading);
    for (const auto& row : rows_) {
      width = std::max(width, Width(row[i].text));
    }
    widths.push_back(width);
  }

  std::string out;
  size_t pending = 0;  // blanks owed before the next visible text
  const auto put = [&](size_t column, std::string_view text, Colour in) {
    const size_t fill = widths[column] - Width(text);
    const bool right = columns_[column].align == Align::kRight;
    pending += right ? fill : 0;
    if (!text.empty()) {
      out.append(pending, ' ');
      out += Paint(text, in, colour);
      pending = 0;
    }
    pending += kGap + (right ? 0 : fill);
  };
  for (size_t i = 0; i < columns_.size(); ++i) {
    put(i, columns_[i].heading, Colour::kDim);
  }
  out += '\n';
  for (const auto& row : rows_) {
    pending = 0;
    for (size_t i = 0; i < columns_.size(); ++i) {
      put(i, row[i].text, row[i].colour);
    }
    out += '\n';
  }
  return out;
}

}  // namespace parallax::cli
