// Memory that is given back is erased first, in the whole daemon: keys pass through strings and parsed JSON
// on their way from a request or a file, and nobody can erase what a library has copied. Workers free
// nothing.
#include <malloc.h>

#include <cstdlib>
#include <cstring>
#include <new>

namespace {

void erase_and_free(void* memory) noexcept {
  if (memory == nullptr) return;
  explicit_bzero(memory, malloc_usable_size(memory));
  std::free(memory);
}

}  // namespace

void operator delete(void* memory) noexcept {
  erase_and_free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  erase_and_free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  erase_and_free(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  erase_and_free(memory);
}
