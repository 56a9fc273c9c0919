// Since when something holds, for what is only ever seen to hold now. Pure: time is an argument.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::ctrl {

/// Spells by name. What is not seen for as long as `lingering` has ended: what is seen after that begins
/// anew. Names are not forgotten: there must be a bounded number of them.
class Spells {
 public:
  using Time = std::chrono::system_clock::time_point;
  struct Spell {
    Time since;
    Time last;
  };

  explicit Spells(std::chrono::milliseconds lingering) : lingering_(lingering) {}

  void see(std::string_view name, Time now) {
    const auto found = spells_.find(name);
    if (found == spells_.end()) {
      spells_.emplace(name, Spell{now, now});
    } else {
      if (!lasts(found->second, now)) found->second.since = now;
      found->second.last = now;
    }
  }
  /// The last spell, also where it has ended; nothing where it was never seen.
  std::optional<Spell> last_of(std::string_view name) const {
    const auto found = spells_.find(name);
    return found == spells_.end() ? std::nullopt : std::optional(found->second);
  }
  /// Those that last.
  std::map<std::string, Time> present(Time now) const {
    std::map<std::string, Time> names;
    for (const auto& [name, spell] : spells_) {
      if (lasts(spell, now)) names.emplace(name, spell.since);
    }
    return names;
  }

 private:
  /// Also where the clock was set back: what was seen later than now lasts.
  bool lasts(const Spell& spell, Time now) const { return now - spell.last <= lingering_; }

  std::chrono::milliseconds lingering_;
  std::map<std::string, Spell, std::less<>> spells_;
};

}  // namespace sluice::ctrl
