// The targets of the probe command: words of the command line and lines of files, as addresses,
// prefixes or names. Reads files and asks the resolver; no state.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/ip.h"
#include "common/result.h"
#include "sensor/probe/target_list.h"

namespace parallax::sensor {

struct TargetWords {
  std::vector<std::string> words;
  std::vector<std::string> files;  // one target a line, "#" begins a comment; "-": standard input
  std::optional<Family> family;    // of names: only this one; addresses of the other are an error
};

struct Targets {
  TargetList list;
  std::vector<std::string> unresolved;  // a sentence for each name that has no address
};

// kUsage names the word, or the file and line, that is no target; so is a list without any.
// kNotFound: there are names only, and none has an address. Names are asked for only if a word is
// neither address nor prefix: the first address of each is taken.
Result<Targets> ReadTargets(const TargetWords& wanted);

}  // namespace parallax::sensor
