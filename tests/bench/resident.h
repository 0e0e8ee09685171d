// How much memory this process holds, for benchmarks that print it.
#pragma once

#include <unistd.h>

#include <cstdio>

namespace parallax::bench {

// 0 if the kernel does not tell.
inline double ResidentMiB() {
  std::FILE* const file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr) {
    return 0;
  }
  unsigned long size = 0;
  unsigned long resident = 0;
  const bool told = std::fscanf(file, "%lu %lu", &size, &resident) == 2;
  std::fclose(file);
  return told ? static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE)) /
                    (1 << 20)
              : 0;
}

}  // namespace parallax::bench
