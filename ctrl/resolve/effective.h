// What counts: an intent, and its pools as they are in the world. Immutable; any thread reads.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "ctrl/intent/model.h"
#include "ctrl/intent/pool_use.h"
#include "ctrl/observed/inspection_contents.h"
#include "ctrl/observed/member.h"
#include "ctrl/observed/set_contents.h"
#include "lb/backend.h"
#include "lb/maglev.h"

namespace sluice::ctrl {

/// A member and what all who have a say make of it.
struct EffectiveBackend {
  HostPort at;
  uint32_t weight = 0;                ///< in tables
  uint8_t tenths = lb::kWholeWeight;  ///< of its whole weight
  lb::BackendState state = lb::BackendState::kActive;
  bool keeps_flows = true;  ///< flows that it has stay

  /// Whether it is in its pool's tables.
  bool takes_flows() const {
    return weight > 0 && (state == lb::BackendState::kActive ||
                          (state == lb::BackendState::kDown && keeps_flows));  // under fail_open
  }
  bool operator==(const EffectiveBackend&) const = default;
};

struct EffectivePool {
  std::shared_ptr<const PoolModel> intent;
  std::shared_ptr<const MemberList> members;
  std::vector<EffectiveBackend> backends;  ///< in the order of `members`
  uint32_t table_size = 0;
  PoolUse use;  ///< what the intent's services want of it
};

struct Effective {
  std::shared_ptr<const Model> intent;
  MemberLists members;  ///< of all pools, as they were observed
  SharedMap<EffectivePool> pools;
  SetContents sets = {};  ///< of the intent's sets
  InspectionContents inspections = {};
};

}  // namespace sluice::ctrl
