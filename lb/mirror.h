// Which flows of a mirrored service are copied (interface.md, section 10). Pure; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "common/flow_key.h"
#include "common/siphash.h"
#include "lb/service.h"

namespace sluice::lb {

/// Whole flows by a hash of their own, the same on every gateway: of the 37 bytes of a flow, and 0x6d.
inline bool is_mirrored(const Service& service, const FlowKey& key, const SipKey& hash_key) {
  if (!service.is_mirrored) return false;
  std::array<uint8_t, FlowKey::kHashedBytes + 1> input;
  std::memcpy(input.data(), &key, FlowKey::kHashedBytes);
  input.back() = 0x6d;
  return siphash24(hash_key, input.data(), input.size()) <= service.mirror_last;
}

}  // namespace sluice::lb
