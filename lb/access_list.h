// Who may send to a service: the longest matching prefix of its lists decides, and where two of both kinds
// are as long, the one that denies. Immutable; any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "common/address.h"
#include "lb/prefix_set.h"

namespace sluice::lb {

class AccessList {
 public:
  /// A set that is part of a list, or all prefixes of the list that stand there by themselves.
  struct Part {
    std::shared_ptr<const PrefixSet> set;
    bool admits = false;
    uint32_t index = 0;  ///< of the set in both lists, `allow` first; DecidedRule::kNoIndex: of none
  };
  struct Verdict {
    bool admits = true;
    uint8_t length = PrefixSet::kNoMatch;  ///< of the prefix that decided; kNoMatch: none did
    uint32_t index = 0;                    ///< Part::index of what it is in
  };

  /// `admits_others`: whom nothing matches.
  AccessList(std::vector<Part> parts, bool admits_others)
      : parts_(std::move(parts)), admits_others_(admits_others) {}

  /// Hot path.
  Verdict judge(const IpAddress& source) const {
    Verdict verdict{.admits = admits_others_};
    int longest = -1;
    for (const Part& part : parts_) {
      const uint8_t length = part.set->longest_match(source);
      if (length == PrefixSet::kNoMatch || length < longest) continue;
      if (length == longest && part.admits) continue;
      longest = length;
      verdict = {part.admits, length, part.index};
    }
    return verdict;
  }
  bool admits(const IpAddress& source) const { return judge(source).admits; }
  /// For who judges several sources: each fetches what the next step reads (RangeTable).
  [[gnu::always_inline]] void fetch_index(const IpAddress& source) const {
    for (const Part& part : parts_) part.set->fetch_index(source);
  }
  [[gnu::always_inline]] void fetch_ranges(const IpAddress& source) const {
    for (const Part& part : parts_) part.set->fetch_ranges(source);
  }

 private:
  std::vector<Part> parts_;
  bool admits_others_;
};

}  // namespace sluice::lb
