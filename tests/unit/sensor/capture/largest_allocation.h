// The largest piece of memory that was asked for with `new` on this thread since Reset(): replaces
// the program's operator new. For tests of what input can make us allocate.
#pragma once

#include <cstddef>

namespace parallax {

struct LargestAllocation {
  static void Reset();
  static size_t Bytes();
};

}  // namespace parallax
