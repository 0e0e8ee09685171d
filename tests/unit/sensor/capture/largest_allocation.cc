#include "largest_allocation.h"

#include <algorithm>
#include <cstdlib>
#include <new>

namespace parallax {
namespace {

thread_local size_t g_largest = 0;

}  // namespace

void LargestAllocation::Reset() { g_largest = 0; }
size_t LargestAllocation::Bytes() { return g_largest; }

}  // namespace parallax

void* operator new(size_t size) {
  parallax::g_largest = std::max(parallax::g_largest, size);
  if (void* const memory = std::malloc(std::max<size_t>(size, 1))) {
    return memory;
  }
  throw std::bad_alloc();
}
void* operator new(size_t size, const std::nothrow_t&) noexcept {
  parallax::g_largest = std::max(parallax::g_largest, size);
  return std::malloc(std::max<size_t>(size, 1));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
