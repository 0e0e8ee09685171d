// What a fuzz target holds to be always true: if it is not, the process ends, and the fuzzer keeps
// the input.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace parallax {

inline void Require(bool condition, const char* what) {
  if (!condition) {
    std::fprintf(stderr, "not true: %s\n", what);
    std::abort();
  }
}

}  // namespace parallax
