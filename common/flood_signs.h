// What the features of a server's trouble say together: a flood of forged SYNs, a fault that eats
// our answers to real clients, or both at once. Thresholds are those of the detection literature;
// see ServerReport for what each feature is.
#pragma once

#include <string_view>

#include "common/records.h"

namespace parallax {

enum class ServerTrouble : uint8_t {
  kNone,   // nothing, or too little to say
  kFault,  // real clients keep trying, and their answers get lost
  kFlood,  // nobody tries again
  kBoth,   // real clients fail, and SYNs far exceed what is usual
};

// Sources of made-up SYNs do not come twice, so that a flood is told without knowing what is usual.
ServerTrouble ReadTrouble(const ServerReport& report);

// SYNs come far more slowly than within the report's window: what a flood has left half-open
// outlives it, and hides what comes after.
bool HasEbbed(const ServerReport& report);

}  // namespace parallax
