#include "ctrl/intent/memory_needs.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <numeric>

#include "ctrl/intent/pool_use.h"
#include "lb/flow_table.h"
#include "lb/maglev.h"

namespace sluice::ctrl {
namespace {

std::string mebibytes(uint64_t bytes) {
  return std::to_string((bytes >> 20) + 1) + " MiB";
}

uint64_t balancers_of(const Model& model) {
  const dataplane::BootConfig& boot = model.boot;
  return (boot.lb_workers.empty() ? boot.workers : boot.lb_workers).size();
}

/// Addresses over IPv6 lie apart from the entries, and take memory where there are some.
uint64_t flow_table_bytes(const Model& model) {
  const uint64_t entries = model.boot.flow_table_entries;
  const uint64_t balancers = balancers_of(model);
  const bool has_v6 = std::ranges::any_of(
      model.services, [](const auto& service) { return service.second->address.address.is_v6(); });
  const size_t entry_bytes = sizeof(lb::FlowEntry) + (has_v6 ? sizeof(lb::Addresses6) : 0);
  return balancers *
         (entries * entry_bytes + lb::FlowTable::buckets_for(entries) * sizeof(lb::FlowTable::Bucket));
}

}  // namespace

MemoryNeed pool_memory(const Model& model) {
  uint64_t slots = 0;
  for (const auto& [name, use] : pool_uses(model)) {
    const PoolModel& pool = *model.pools.at(name);
    if (pool.backends.empty() && !pool.discover) continue;  // and so is its table
    const uint64_t size = pool.table_size.value_or(lb::maglev_table_size(pool.backends.size()));
    slots += size * (use.tcp.has_value() + use.udp.has_value());
  }
  return {"/pools", "the tables of pools", slots * sizeof(lb::BackendId)};
}

MemoryNeed inspection_memory(const Model& model) {
  constexpr uint64_t kStateBytes = 512;  // of a thousand rules; it is not known before they are compiled
  uint64_t bytes = 0;
  for (const auto& [name, inspection] : model.inspections) {
    const bool is_used = std::ranges::any_of(
        model.services,
        [&wanted = inspection->name](const auto& service) { return service.second->inspect == wanted; });
    if (!is_used || inspection->mode != dataplane::InspectionMode::kStream) continue;
    bytes += inspection->streams * (inspection->bytes + kStateBytes);
  }
  return {"/inspections", "the streams of inspections", bytes * balancers_of(model)};
}

std::vector<MemoryNeed> memory_needs(const Model& model) {
  constexpr uint64_t kBytesPerRememberedId = 40;
  std::vector<MemoryNeed> needs = {{"/gateway/flow_table_entries", "flow tables", flow_table_bytes(model)},
                                   pool_memory(model),
                                   inspection_memory(model)};
  if (model.ledger) {
    needs.push_back({"/ledger/dedupe_window", "the ids of transactions",
                     model.ledger->dedupe_window * kBytesPerRememberedId});
  }
  return needs;
}

Result<void> check_memory(const std::vector<MemoryNeed>& needs, uint64_t available) {
  const uint64_t all = std::accumulate(needs.begin(), needs.end(), uint64_t{0},
                                       [](uint64_t sum, const MemoryNeed& need) { return sum + need.bytes; });
  if (all <= available) return {};
  const MemoryNeed& greatest = *std::max_element(
      needs.begin(), needs.end(), [](const auto& a, const auto& b) { return a.bytes < b.bytes; });
  return fail("not enough memory: " + mebibytes(all) + " are needed, " + mebibytes(greatest.bytes) +
                  " of them for " + greatest.what + ", and " + mebibytes(available) + " are available",
              greatest.pointer);
}

uint64_t available_memory() {
  std::ifstream file("/proc/meminfo");
  std::string name, unit;
  for (uint64_t kibibytes; file >> name >> kibibytes; std::getline(file, unit)) {
    if (name == "MemAvailable:") return kibibytes << 10;
  }
  return std::numeric_limits<uint64_t>::max();
}

}  // namespace sluice::ctrl
