// How much memory a configuration will take, and whether the machine has it: said before any is taken,
// because a kernel that runs out of memory kills instead of refusing. Control thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/result.h"
#include "ctrl/intent/model.h"

namespace sluice::ctrl {

/// What one field makes the gateway take.
struct MemoryNeed {
  std::string pointer;
  std::string what;  ///< for people
  uint64_t bytes;
};

/// The tables of the pools that services use.
MemoryNeed pool_memory(const Model& model);
/// What streams of inspections take where as many run as may, and all send as many bytes as are looked at.
MemoryNeed inspection_memory(const Model& model);
/// All that grows with the configuration: flow tables, pools' tables, streams, the ledger's window. Packet
/// buffers are not among them: their memory is set aside by EAL, which says itself where it is not enough.
std::vector<MemoryNeed> memory_needs(const Model& model);

/// An Error that names the field with the greatest need, where all of them together are beyond `available`.
Result<void> check_memory(const std::vector<MemoryNeed>& needs, uint64_t available);

/// What the kernel could give without swapping, in bytes; the greatest number where it does not say.
uint64_t available_memory();

}  // namespace sluice::ctrl
