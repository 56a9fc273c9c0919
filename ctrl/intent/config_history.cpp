#include "ctrl/intent/config_history.h"

#include <utility>

namespace sluice::ctrl {

void ConfigHistory::add(HistoryEntry entry, std::shared_ptr<const Model> model) {
  items_.push_front({std::move(entry), std::move(model)});
  if (items_.size() > limit_) items_.pop_back();
}

std::vector<HistoryEntry> ConfigHistory::entries() const {
  std::vector<HistoryEntry> entries;
  for (const Item& item : items_) entries.push_back(item.entry);
  return entries;
}

std::shared_ptr<const Model> ConfigHistory::find(uint64_t generation) const {
  for (const Item& item : items_) {
    if (item.entry.generation == generation) return item.model;
  }
  return nullptr;
}

std::optional<ConfigHistory::Unhashed> ConfigHistory::unhashed() const {
  for (const Item& item : items_) {
    if (item.entry.sha256.empty()) return Unhashed{item.entry.generation, item.model};
  }
  return std::nullopt;
}

void ConfigHistory::set_hash(uint64_t generation, std::string sha256) {
  for (Item& item : items_) {
    if (item.entry.generation == generation) item.entry.sha256 = std::move(sha256);
  }
}

}  // namespace sluice::ctrl
