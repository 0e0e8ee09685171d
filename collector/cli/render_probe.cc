#include "collector/cli/render_probe.h"

#include <fmt/format.h>

#include "collector/cli/table.h"
#include "collector/cli/words.h"

namespace parallax::cli {
namespace {

Colour ColourOf(const std::string& state) {
  return state == "up" || state == "reached"                                 ? Colour::kGreen
         : state == "no_answer" || state == "refused" || state == "not_sent" ? Colour::kYellow
                                                                             : Colour::kRed;
}

// "3/3", and the times of those that came back.
std::string Counts(const v1::ProbeAnswer& answer) {
  if (answer.sent() == 0) {
    return {};
  }
  const std::string counts = fmt::format("{}/{}", answer.received(), answer.sent());
  if (answer.received() == 0) {
    return counts;
  }
  return answer.received() == 1
             ? fmt::format("{}  {:.1f} ms", counts, answer.rtt_avg_ms())
             : fmt::format("{}  {:.1f}/{:.1f}/{:.1f} ms", counts, answer.rtt_min_ms(),
                           answer.rtt_avg_ms(), answer.rtt_max_ms());
}

std::string Error(const v1::ProbeAnswer& answer) {
  std::string error = Printable(answer.error());
  if (!answer.reporter().empty()) {
    error += fmt::format("{}from {}", error.empty() ? "" : " ", Printable(answer.reporter()));
  }
  return error;
}

}  // namespace

std::string RenderProbe(const v1::ProbeAnswer& answer, const Look& look) {
  constexpr size_t kName = 20;
  constexpr size_t kState = 13;
  const auto padded = [](std::string text, size_t width) {
    text.resize(std::max(text.size(), width), ' ');
    return text;
  };
  std::string line = padded(Printable(answer.sensor()), kName) + "  ";
  const std::string rest = Joined(std::vector<std::string>{Counts(answer), Error(answer)}, "  ");
  const std::string state = Printable(answer.state());
  line += Paint(rest.find_first_not_of(' ') == rest.npos ? state : padded(state, kState),
                ColourOf(answer.state()), look.colour);
  if (rest.find_first_not_of(' ') != rest.npos) {
    line += "  " + rest.substr(rest.find_first_not_of(' '));
  }
  line.erase(line.find_last_not_of(' ') + 1);
  line += '\n';
  int ttl = 0;
  for (const auto& hop : answer.path().hops()) {
    line += fmt::format("  {:>2}  {}\n", ++ttl,
                        hop.routers().empty() ? "*" : Joined(hop.routers(), " or "));
  }
  return line;
}

}  // namespace parallax::cli
