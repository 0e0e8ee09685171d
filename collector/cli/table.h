// Columns of text for people: every column as wide as its widest cell, two blanks between columns,
// no blanks at the end of a line. Pure. Widths count code points, which is right for all that
// Parallax prints.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace parallax::cli {

enum class Colour { kNone, kRed, kYellow, kGreen, kDim, kBold };

// What names, reasons and addresses from elsewhere become before they reach a terminal: control
// characters (escape sequences among them) are shown as '?'.
std::string Printable(std::string_view text);

// `text` in `colour`, if `enabled`.
std::string Paint(std::string_view text, Colour colour, bool enabled);

struct TableCell {
  TableCell(std::string content, Colour in = Colour::kNone)  // NOLINT: reads as a literal
      : text(Printable(content)), colour(in) {}
  TableCell(const char* content) : TableCell(std::string(content)) {}  // NOLINT
  std::string text;
  Colour colour;
};

class Table {
 public:
  enum class Align { kLeft, kRight };
  struct Column {
    std::string heading;
    Align align = Align::kLeft;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  // REQUIRES: one cell per column.
  void Add(std::vector<TableCell> row) { rows_.push_back(std::move(row)); }
  bool empty() const { return rows_.empty(); }

  // Heading and rows, each line ended; nothing at all if there are no rows.
  std::string Text(bool colour) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<TableCell>> rows_;
};

}  // namespace parallax::cli
