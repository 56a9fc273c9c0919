#include "lb/pool_table.h"

#include <algorithm>
#include <unordered_map>

#include "lb/maglev_layers.h"
#include "lb/schedule.h"

namespace sluice::lb {
namespace {

std::vector<uint32_t> count_slots(std::span<const WeightedEndpoint> candidates,
                                  std::span<const BackendId> slots) {
  if (candidates.empty()) return {};
  const auto by_id = [](const WeightedEndpoint& a, const WeightedEndpoint& b) { return a.id < b.id; };
  const auto [least, greatest] = std::minmax_element(candidates.begin(), candidates.end(), by_id);
  const size_t range = greatest->id - least->id + size_t{1};
  std::vector<uint32_t> counts(candidates.size());
  if (range <= slots.size()) {  // the numbers of a pool's backends mostly lie side by side
    std::vector<uint32_t> of_id(range);
    for (const BackendId id : slots) ++of_id[id - least->id];
    for (size_t i = 0; i < counts.size(); ++i) counts[i] = of_id[candidates[i].id - least->id];
  } else {
    std::unordered_map<BackendId, uint32_t> of_id;
    for (const BackendId id : slots) ++of_id[id];
    for (size_t i = 0; i < counts.size(); ++i) counts[i] = of_id[candidates[i].id];
  }
  return counts;
}

}  // namespace

std::shared_ptr<const PoolTable> PoolTable::build(uint32_t index, std::span<const WeightedEndpoint> eligible,
                                                  uint32_t table_size, const SipKey& key, Needs needs) {
  auto table = std::make_shared<PoolTable>();
  table->index_ = index;
  table->candidates_.assign(eligible.begin(), eligible.end());
  std::sort(table->candidates_.begin(), table->candidates_.end(),
            [](const auto& a, const auto& b) { return a.endpoint < b.endpoint; });
  table->slots_ = build_layered_maglev(table->candidates_, table_size, key);
  table->slot_counts_ = count_slots(table->candidates_, table->slots_);
  if (needs.schedule) table->schedule_ = build_schedule(table->candidates_, kMaxSchedule);
  return table;
}

}  // namespace sluice::lb
