#include "dataplane/base/mapped_array.h"

#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace sluice::dataplane {

void* map_memory(size_t bytes, int numa_node, bool huge) {
  void* const memory =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  if (huge) madvise(memory, bytes, MADV_HUGEPAGE);
  if (numa_node >= 0 && numa_node < 64) {
    const unsigned long nodes = 1ul << numa_node;
    syscall(SYS_mbind, memory, bytes, MPOL_PREFERRED, &nodes, sizeof nodes * 8, 0);  // a wish, not a need
  }
  return memory;
}

void unmap_memory(void* memory, size_t bytes) {
  munmap(memory, bytes);
}

}  // namespace sluice::dataplane
