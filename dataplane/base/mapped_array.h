// Large arrays of one worker, on its NUMA node, without a page of memory before it is touched.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include "common/result.h"

namespace sluice::dataplane {

/// Anonymous zeroed memory, preferably of `numa_node` (-1: any), in huge pages where `huge` and the kernel
/// has them to spare. Null where the address space is exhausted.
void* map_memory(size_t bytes, int numa_node, bool huge);
void unmap_memory(void* memory, size_t bytes);

/// Owns `count` elements whose all-zero bytes are a valid value. Control thread; the elements are for
/// whoever is given the span.
template <typename T>
class MappedArray {
  static_assert(std::is_trivially_destructible_v<T>);

 public:
  MappedArray() = default;
  static Result<MappedArray> create(size_t count, int numa_node, bool huge) {
    void* const memory = map_memory(count * sizeof(T), numa_node, huge);
    if (memory == nullptr) {
      return fail("not enough memory: " + std::to_string((count * sizeof(T)) >> 20) + " MiB for a worker");
    }
    MappedArray array;
    array.elements_ = {static_cast<T*>(memory), count};
    return array;
  }
  MappedArray(MappedArray&& other) noexcept : elements_(std::exchange(other.elements_, {})) {}
  MappedArray& operator=(MappedArray&& other) noexcept {
    std::swap(elements_, other.elements_);
    return *this;
  }
  ~MappedArray() {
    if (!elements_.empty()) unmap_memory(elements_.data(), elements_.size_bytes());
  }

  std::span<T> elements() const { return elements_; }

 private:
  std::span<T> elements_;
};

}  // namespace sluice::dataplane
