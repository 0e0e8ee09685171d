// `parallax probe`: has sensors look now, and shows what they find as it comes.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>

#include "collector/cli/answer.h"
#include "collector/cli/commands.h"
#include "collector/cli/render_probe.h"
#include "collector/cli/words.h"
#include "common/ip.h"

namespace parallax::cli {

std::string WhoAmI() {
  const char* behind_sudo = std::getenv("SUDO_USER");
  const char* user = behind_sudo != nullptr ? behind_sudo : std::getenv("USER");
  return user != nullptr ? std::string(user) : fmt::format("uid-{}", ::getuid());
}

Result<bool> Probe(const Options& options, const ProbeWish& wish) {
  if (!IpAddress::Parse(wish.target)) {
    return Fail(ErrorCode::kUsage, wish.target + ": not an IPv4 or IPv6 address");
  }
  if (auto sound = CheckWish(options, "ProbeList"); !sound) {
    return tl::make_unexpected(sound.error());
  }
  auto client = Connect(options);
  if (!client) {
    return tl::make_unexpected(client.error());
  }
  v1::ProbeRequest request;
  request.set_target(wish.target);
  request.set_method(wish.method);
  request.set_port(wish.port);
  request.set_count(wish.count);
  request.set_flows(wish.flows);
  request.mutable_from()->Assign(wish.from.begin(), wish.from.end());
  request.set_asked_by(WhoAmI());

  const Look look = LookOf(STDOUT_FILENO);
  const bool progress =
      IsTable(options) && ::isatty(STDERR_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1;
  Json all = Json::array();
  uint32_t heard = 0;
  uint32_t silent = 0;
  uint32_t up = 0;
  Result<void> printed;
  const auto show = [&](const v1::ProbeAnswer& answer) {
    ++heard;
    silent += answer.state() == "no_answer" ? 1 : 0;
    up += answer.state() == "up" || answer.state() == "reached" ? 1 : 0;
    if (progress) {
      Put(stderr, "\r\033[K");
    }
    if (IsTable(options)) {
      Put(stdout, RenderProbe(answer, look));
    } else if (options.format == Format::kJsonl) {
      Put(stdout, Dump(ToJson(answer), -1));
    } else {
      all.push_back(ToJson(answer));
    }
    printed = Flushed();
    if (progress && heard < answer.asked()) {
      Put(stderr, fmt::format("{} of {}", heard, Plural(answer.asked(), "sensor")));
    }
    return printed.has_value();
  };
  const auto done = client->Probe(request, show);
  if (!done) {
    return tl::make_unexpected(done.error());
  }
  if (printed && !IsTable(options) && options.format != Format::kJsonl) {
    printed = PrintList(options, "ProbeList", {{"total", heard}}, all);
  }
  if (!printed) {
    return tl::make_unexpected(printed.error());
  }
  if (heard == silent) {
    return Fail(ErrorCode::kUnavailable, "no sensor answered");
  }
  if (IsTable(options)) {
    Put(stderr,
        fmt::format("{} is reached from {} of {}{}\n", wish.target, up, Plural(heard, "sensor"),
                    silent == 0 ? "" : fmt::format("; {} did not answer", silent)));
  }
  return silent == 0;
}

}  // namespace parallax::cli
