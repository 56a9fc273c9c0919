// Workers count by number; people ask by name. A name's totals go on when its number changes, and a number
// that is given again starts from zero for its new name. Control thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace sluice::ctrl {

struct Totals {
  uint64_t packets = 0;
  uint64_t bytes = 0;
  uint64_t flows = 0;
  uint64_t active_flows = 0;
  uint64_t answer_packets = 0;  ///< from backends, of services that translate
  uint64_t answer_bytes = 0;
};

template <typename Name>
class TargetTotals {
 public:
  /// `name` no longer has `number`, which workers may count for a while yet.
  void retire(const Name& name, uint32_t number) { retiring_.emplace(name, number); }

  /// What `name` counted in all. `live`: the number that it has now, or had until just now; read(number):
  /// what workers counted under a number since they started, active flows aside.
  template <typename Read>
  Totals of(const Name& name, std::optional<uint32_t> live, Read&& read) const {
    Totals totals;
    if (const auto kept = kept_.find(name); kept != kept_.end()) totals = kept->second;
    const auto [first, last] = retiring_.equal_range(name);
    for (auto it = first; it != last; ++it) {
      if (it->second != live) add(totals, it->second, read(it->second));
    }
    if (live) {
      const Totals counted = read(*live);
      add(totals, *live, counted);
      totals.active_flows = counted.active_flows;
    }
    return totals;
  }

  /// Nobody counts `number` any more: keeps what it counted for `name`, as long as that is configured.
  void collect(const Name& name, uint32_t number, bool is_configured, const Totals& counted) {
    const auto [first, last] = retiring_.equal_range(name);
    for (auto it = first; it != last; ++it) {
      if (it->second != number) continue;
      retiring_.erase(it);
      break;
    }
    if (is_configured) {
      add(kept_[name], number, counted);
    } else {
      kept_.erase(name);
    }
    if (number >= starts_.size()) starts_.resize(number + size_t{1});
    starts_[number] = counted;
  }

 private:
  void add(Totals& totals, uint32_t number, const Totals& counted) const {
    const Totals start = number < starts_.size() ? starts_[number] : Totals{};
    totals.packets += counted.packets - start.packets;
    totals.bytes += counted.bytes - start.bytes;
    totals.flows += counted.flows - start.flows;
    totals.answer_packets += counted.answer_packets - start.answer_packets;
    totals.answer_bytes += counted.answer_bytes - start.answer_bytes;
  }

  std::map<Name, Totals> kept_;
  std::multimap<Name, uint32_t> retiring_;
  std::vector<Totals> starts_;  ///< by number: its counters when it was given again
};

}  // namespace sluice::ctrl
