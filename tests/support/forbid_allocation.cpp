#include "tests/support/forbid_allocation.h"

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <new>

namespace {

thread_local bool is_forbidden = false;

void* allocate(size_t size, size_t alignment) {
  if (is_forbidden) {
    std::fputs("memory was allocated where that is forbidden\n", stderr);
    std::abort();
  }
  void* memory = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (memory == nullptr) std::abort();
  return memory;
}

}  // namespace

namespace sluice::test {

ForbidAllocation::ForbidAllocation() {
  is_forbidden = true;
}
ForbidAllocation::~ForbidAllocation() {
  is_forbidden = false;
}

}  // namespace sluice::test

void* operator new(size_t size) {
  return allocate(size, alignof(std::max_align_t));
}
void* operator new[](size_t size) {
  return allocate(size, alignof(std::max_align_t));
}
void* operator new(size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<size_t>(alignment));
}
void* operator new[](size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<size_t>(alignment));
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete[](void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, size_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, size_t, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, size_t, std::align_val_t) noexcept {
  std::free(memory);
}
