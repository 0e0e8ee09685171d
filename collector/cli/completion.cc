#include "collector/cli/completion.h"

#include <algorithm>

namespace parallax::cli {
namespace {

// Words with blanks or colons in them (IPv6 addresses) stay whole: bash breaks words at colons, and
// puts only what comes after the last one in place.
constexpr std::string_view kBash =
    R"(# bash completion for parallax; load it with: source <(parallax completion bash)
_parallax() {
  local word=${COMP_LINE:0:COMP_POINT} words candidate
  read -ra words <<<"$word"
  [[ $word == *[[:space:]] ]] && words+=("")
  word=${words[-1]}
  COMPREPLY=()
  while IFS= read -r candidate; do
    [[ $COMP_WORDBREAKS == *:* && $word == *:* ]] && candidate=${candidate#"${word%"${word##*:}"}"}
    COMPREPLY+=("$candidate")
  done < <(parallax complete -- "${words[@]:1}" 2>/dev/null)
}
complete -F _parallax parallax
)";

constexpr std::string_view kZsh = R"(#compdef parallax
# zsh completion for parallax; load it with: source <(parallax completion zsh)
_parallax() {
  local -a candidates
  candidates=("${(@f)$(parallax complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  candidates=(${candidates:#})
  compadd -a candidates
}
compdef _parallax parallax
)";

constexpr std::string_view kFish =
    R"(# fish completion for parallax; load it with: parallax completion fish | source
complete -c parallax -f -a '(parallax complete -- (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
)";

// "TEXT:{src,dst,port}" -> src, dst, port
std::vector<std::string> Choices(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const size_t open = type.find('{');
  const size_t close = type.find('}', open);
  std::vector<std::string> choices;
  if (open == type.npos || close == type.npos) {
    return choices;
  }
  for (size_t at = open + 1; at < close;) {
    const size_t end = std::min(type.find(',', at), close);
    choices.push_back(type.substr(at, end - at));
    at = end + 1;
  }
  return choices;
}

bool TakesValue(const CLI::Option& option) { return option.get_expected_max() > 0; }

// By the noun that it belongs to, or by what it is called.
Names NamesFor(const CLI::App& command, const CLI::Option& option) {
  if (option.check_lname("from") || option.check_lname("with") || option.check_lname("sensor") ||
      option.check_lname("replace")) {
    return Names::kSensors;
  }
  if (option.check_lname("group")) {
    return Names::kGroups;
  }
  if (option.nonpositional()) {
    return Names::kNone;
  }
  const CLI::App* parent = command.get_parent();
  const std::string noun = parent == nullptr ? "" : parent->get_name();
  return noun == "sensor"                                        ? Names::kSensors
         : noun == "target" || noun == "path" || noun == "check" ? Names::kTargets
         : noun == "incident"                                    ? Names::kIncidents
         : noun == "token"                                       ? Names::kTokens
                                                                 : Names::kNone;
}

std::vector<std::string> ValuesOf(const CLI::App& command, const CLI::Option& option,
                                  const std::function<std::vector<std::string>(Names)>& live) {
  std::vector<std::string> values = Choices(option);
  if (const Names names = NamesFor(command, option); values.empty() && names != Names::kNone) {
    values = live(names);
  }
  return values;
}

const CLI::App* FindCommand(const CLI::App& parent, const std::string& word) {
  const auto found =
      parent.get_subcommands([&](const CLI::App* command) { return command->get_name() == word; });
  return found.empty() ? nullptr : found.front();
}

// Of this command or of those above it: options hold for all that is below.
const CLI::Option* FindOption(const CLI::App* command, const std::string& word) {
  for (; command != nullptr; command = command->get_parent()) {
    for (const CLI::Option* option : command->get_options()) {
      if (option->nonpositional() && option->check_name(word)) {
        return option;
      }
    }
  }
  return nullptr;
}

void AddOptions(const CLI::App* command, std::vector<std::string>& out) {
  for (; command != nullptr; command = command->get_parent()) {
    for (const CLI::Option* option : command->get_options()) {
      for (const std::string& name : option->get_lnames()) {
        out.push_back("--" + name);
      }
    }
  }
}

bool IsHidden(const CLI::App& command) { return command.get_group().empty(); }

}  // namespace

std::string_view CompletionScript(std::string_view shell) {
  return shell == "bash" ? kBash : shell == "zsh" ? kZsh : shell == "fish" ? kFish : "";
}

std::vector<std::string> Completions(const CLI::App& app, const std::vector<std::string>& words,
                                     const std::function<std::vector<std::string>(Names)>& live) {
  const CLI::App* command = &app;
  const CLI::Option* waits = nullptr;  // for its value
  size_t positionals = 0;              // given to `command`
  for (size_t i = 0; i + 1 < words.size(); ++i) {
    const std::string& word = words[i];
    if (waits != nullptr) {
      waits = nullptr;
    } else if (word.starts_with('-')) {
      const CLI::Option* option = FindOption(command, word);
      waits = option != nullptr && TakesValue(*option) ? option : nullptr;
    } else if (const CLI::App* next = FindCommand(*command, word)) {
      command = next;
      positionals = 0;
    } else {
      ++positionals;
    }
  }
  const std::string last = words.empty() ? "" : words.back();
  std::vector<std::string> out;
  if (waits != nullptr) {
    out = ValuesOf(*command, *waits, live);
  } else if (last.starts_with('-')) {
    AddOptions(command, out);
  } else {
    for (const CLI::App* next : command->get_subcommands([](const CLI::App*) { return true; })) {
      if (!IsHidden(*next)) {
        out.push_back(next->get_name());
      }
    }
    size_t at = 0;
    for (const CLI::Option* option : command->get_options()) {
      if (option->get_positional() && at++ == positionals) {
        out = ValuesOf(*command, *option, live);
      }
    }
  }
  std::erase_if(out, [&](const std::string& one) { return !one.starts_with(last); });
  std::ranges::sort(out);
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

}  // namespace parallax::cli
