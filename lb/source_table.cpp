#include "lb/source_table.h"

#include <bit>
#include <new>

namespace sluice::lb {

/// The allocator takes large memory from the kernel, which is zero and takes no room until it is touched.
SourceTable::SourceTable(uint32_t sources) {
  constexpr uint32_t kSourcesPerSet = 2;  // of seven: next to no set is ever full before the table is
  const size_t sets = std::bit_ceil(size_t{sources} / kSourcesPerSet + 1);
  memory_.reset(std::calloc(sets + 1, sizeof(Set)));
  if (memory_ == nullptr) std::abort();
  const auto address = reinterpret_cast<uintptr_t>(memory_.get());
  sets_ = reinterpret_cast<Set*>((address + sizeof(Set) - 1) / sizeof(Set) * sizeof(Set));
  mask_ = sets - 1;
}

}  // namespace sluice::lb
