#include "ctrl/intent/config_history.h"

#include <algorithm>
#include <array>
#include <utility>

namespace sluice::ctrl {
namespace {

/// In the order of the enumeration.
constexpr std::array<std::string_view, 5> kWords = {"none", "pending", "confirmed", "taken_back",
                                                    "superseded"};

}  // namespace

std::string_view word_for(Confirmation confirmation) {
  return kWords[static_cast<size_t>(confirmation)];
}

std::optional<Confirmation> confirmation_of(std::string_view word) {
  const auto found = std::ranges::find(kWords, word);
  if (found == kWords.end()) return std::nullopt;
  return static_cast<Confirmation>(found - kWords.begin());
}

void ConfigHistory::add(HistoryEntry entry, std::shared_ptr<const Model> model) {
  const bool is_on_disk = model == nullptr;
  items_.push_front({std::move(entry), std::move(model), is_on_disk});
  if (items_.size() > limit_) items_.pop_back();
}

std::vector<HistoryEntry> ConfigHistory::entries() const {
  std::vector<HistoryEntry> entries;
  for (const Item& item : items_) entries.push_back(item.entry);
  return entries;
}

std::shared_ptr<const Model> ConfigHistory::find(uint64_t generation) const {
  const Item* const item = item_of(generation);
  return item ? item->model : nullptr;
}

bool ConfigHistory::contains(uint64_t generation) const {
  return item_of(generation) != nullptr;
}

void ConfigHistory::set_confirmation(uint64_t generation, Confirmation confirmation) {
  for (Item& item : items_) {
    if (item.entry.generation != generation) continue;
    item.entry.confirmation = confirmation;
    item.is_saved = false;
  }
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

std::optional<ConfigHistory::Unsaved> ConfigHistory::unsaved() const {
  const auto oldest =
      std::find_if(items_.rbegin(), items_.rend(), [](const Item& item) { return !item.is_saved; });
  if (oldest == items_.rend()) return std::nullopt;
  return Unsaved{oldest->entry, oldest->model};
}

void ConfigHistory::set_saved(const HistoryEntry& entry) {
  for (Item& item : items_) {
    const bool is_same =
        item.entry.generation == entry.generation && item.entry.confirmation == entry.confirmation;
    if (is_same) item.is_saved = true;
  }
}

const ConfigHistory::Item* ConfigHistory::item_of(uint64_t generation) const {
  const auto found =
      std::ranges::find(items_, generation, [](const Item& item) { return item.entry.generation; });
  return found == items_.end() ? nullptr : &*found;
}

}  // namespace sluice::ctrl
