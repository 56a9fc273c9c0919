#include "lb/pool_table.h"

#include <algorithm>

#include "lb/schedule.h"

namespace sluice::lb {

std::shared_ptr<const PoolTable> PoolTable::build(uint32_t index, std::span<const WeightedEndpoint> eligible,
                                                  uint32_t table_size, const SipKey& key, Needs needs) {
  auto table = std::make_shared<PoolTable>();
  table->index_ = index;
  table->candidates_.assign(eligible.begin(), eligible.end());
  std::sort(table->candidates_.begin(), table->candidates_.end(),
            [](const auto& a, const auto& b) { return a.endpoint < b.endpoint; });
  table->slots_ = build_maglev(table->candidates_, table_size, key);
  if (needs.schedule) table->schedule_ = build_schedule(table->candidates_, kMaxSchedule);
  return table;
}

}  // namespace sluice::lb
