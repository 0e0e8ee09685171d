// Ways as text: hops one per line, and two ways side by side with the place where they part.
#include <fmt/format.h>

#include <algorithm>

#include "collector/cli/render.h"
#include "collector/cli/table.h"
#include "collector/cli/words.h"

namespace parallax::cli {
namespace {

std::string HopText(const v1::TracedPath& path, int index) {
  if (index >= path.hops_size()) {
    return "";
  }
  return path.hops(index).routers().empty() ? "*" : Joined(path.hops(index).routers());
}

std::string Method(const v1::TracedPath& path) {
  std::string text = Printable(path.method());
  if (path.port() != 0) {
    text += fmt::format(" {}", path.port());
  }
  return text;
}

std::string EndText(const v1::TracedPath& path) {
  if (path.remembered() || path.end() == "reached") {
    return "the host answers";
  }
  const std::string by = path.reporter().empty() ? "" : ", says " + Printable(path.reporter());
  if (path.end() == "silent") {
    return "nobody answers beyond";
  }
  return Printable(path.end()) + by;
}

std::string Title(const v1::TracedPath& path, uint64_t now) {
  return path.remembered() ? fmt::format("{}, as remembered from {}", Printable(path.sensor()),
                                         Ago(path.traced_at(), now))
                           : fmt::format("{}, traced {} by {}", Printable(path.sensor()),
                                         Ago(path.traced_at(), now), Method(path));
}

}  // namespace

Page RenderPaths(const std::vector<v1::TracedPath>& paths, uint64_t now, const Look& look) {
  Page page;
  for (const v1::TracedPath& path : paths) {
    page.data += fmt::format("{}{}\n", page.data.empty() ? "" : "\n",
                             Paint(Title(path, now), Colour::kBold, look.colour));
    for (int i = 0; i < path.hops_size(); ++i) {
      page.data += fmt::format("  {:>2}  {}\n", i + 1, HopText(path, i));
    }
    page.data += fmt::format("      {}{}\n", EndText(path),
                             path.changed() ? "; the way changed while it was traced" : "");
  }
  if (!paths.empty()) {
    page.notes = fmt::format("Next: parallax path diff {}\n", Printable(paths.front().target()));
  }
  return page;
}

Page RenderDiffs(const std::vector<PathDiff>& diffs, uint64_t now, const Look& look) {
  Page page;
  for (const PathDiff& diff : diffs) {
    page.data += fmt::format("{}{}\n", page.data.empty() ? "" : "\n",
                             Paint(fmt::format("{} -> {}", Printable(diff.first.sensor()),
                                               Printable(diff.first.target())),
                                   Colour::kBold, look.colour));
    const bool same_sensor = diff.first.sensor() == diff.second.sensor();
    const std::string one = same_sensor ? "Now it" : Printable(diff.first.sensor());
    Table table({{"TTL", Table::Align::kRight},
                 {same_sensor ? "NOW" : Printable(diff.first.sensor())},
                 {same_sensor ? "BEFORE" : Printable(diff.second.sensor())}});
    const int hops = std::max(diff.first.hops_size(), diff.second.hops_size());
    for (int i = 0; i < hops; ++i) {
      const std::string first = HopText(diff.first, i);
      const std::string second = HopText(diff.second, i);
      const bool parted = i >= diff.last_common_ttl && first != second;
      table.Add({std::to_string(i + 1),
                 {first.empty() ? "-" : first, parted ? Colour::kRed : Colour::kNone},
                 {second.empty() ? "-" : second, parted ? Colour::kGreen : Colour::kNone}});
    }
    page.data += table.Text(look.colour);
    page.data += fmt::format("{}{}; {}\n", same_sensor ? "now:    " : "", Title(diff.first, now),
                             EndText(diff.first));
    page.data += fmt::format("{}{}; {}\n", same_sensor ? "before: " : "", Title(diff.second, now),
                             EndText(diff.second));
    switch (diff.relation) {
      case PathDiff::Relation::kSame:
        page.data += "They are the same as far as hops answer.\n";
        break;
      case PathDiff::Relation::kParts:
        page.data += diff.last_common.empty()
                         ? std::string("They part at the first hop.\n")
                         : fmt::format("They part behind {}.\n", Printable(diff.last_common));
        break;
      case PathDiff::Relation::kFirstEndsEarlier:
        page.data += fmt::format(
            "{} ends behind {}.\n", one,
            diff.last_common.empty() ? std::string("the sensor") : Printable(diff.last_common));
        break;
      case PathDiff::Relation::kSecondEndsEarlier:
        page.data += one + " goes further.\n";
        break;
    }
  }
  page.notes = "Next: parallax incident list\n";
  return page;
}

}  // namespace parallax::cli
