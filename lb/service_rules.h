// Who may send to a service, and how much: what its `access` and `limits` come to. Immutable once published;
// the buckets and tables that it refers to are shared by workers, and outlive it where the same limit goes
// on.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "lb/access_list.h"
#include "lb/shared_bucket.h"
#include "lb/source_rules.h"

namespace sluice::lb {

struct ServiceRules {
  std::shared_ptr<const AccessList> access = {};  ///< null: everybody
  std::shared_ptr<SharedBucket> new_flows = {};   ///< null: without end, as the next
  std::shared_ptr<SharedBucket> packets = {};
  uint32_t most_flows = 0;  ///< on all workers together; 0: without end
  std::optional<SourceRules> per_source = {};

  /// Whether every packet of a client is counted, those of known flows too.
  bool counts_packets() const { return packets != nullptr || (per_source && per_source->packets); }
};

}  // namespace sluice::lb
