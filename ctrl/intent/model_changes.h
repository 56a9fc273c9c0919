// What differs between two Models, and how equal parts of them come to be shared. Control thread.
#pragma once

#include <string>
#include <vector>

#include "ctrl/intent/model.h"

namespace sluice::ctrl {

/// Makes `next` hold the very objects of `previous` where pools and services are equal, so that comparing
/// pointers tells what changed.
void share_unchanged(const Model& previous, Model& next);

/// Calls visit(name, before, after) for every pool, or service, that differs by identity; null where it is
/// absent. One walk through both maps that skips the blocks that they share, since the usual change touches
/// one of ten thousand.
template <typename Before, typename After, typename Visit>
void for_each_difference(const Before& before, const After& after, Visit&& visit) {
  using Pointer = decltype(before.begin()->second.get());
  auto old = before.begin();
  auto now = after.begin();
  while (old != before.end() || now != after.end()) {
    if constexpr (requires { old.begins_same_block(now); }) {
      if (old != before.end() && now != after.end() && old.begins_same_block(now)) {
        old.skip_block();
        now.skip_block();
        continue;
      }
    }
    const int order = old == before.end() ? 1 : now == after.end() ? -1 : old->first.compare(now->first);
    if (order < 0) {
      visit(old->first, old->second.get(), Pointer{});
      ++old;
    } else if (order > 0) {
      visit(now->first, Pointer{}, now->second.get());
      ++now;
    } else {
      if (old->second != now->second) visit(now->first, old->second.get(), now->second.get());
      ++old;
      ++now;
    }
  }
}

/// The parts that differ, added and removed ones too: `pool/web`, `service/web`, `routes`, ... Pools and
/// services are compared by identity, as share_unchanged() leaves them.
std::vector<std::string> changed_parts(const Model& before, const Model& after);
/// Every part that there is.
std::vector<std::string> all_parts(const Model& model);

}  // namespace sluice::ctrl
