// The names of backends that were there and are no more, the last so many. One thread at a time.
#pragma once

#include <cstddef>
#include <deque>
#include <set>

#include "ctrl/intent/model.h"

namespace sluice::ctrl {

class DepartedBackends {
 public:
  static constexpr size_t kMost = 16384;

  void add(const BackendKey& key) {
    if (!keys_.insert(key).second) return;
    order_.push_back(key);
    if (order_.size() <= kMost) return;
    keys_.erase(order_.front());
    order_.pop_front();
  }
  bool contains(const BackendKey& key) const { return keys_.contains(key); }

 private:
  std::set<BackendKey> keys_;
  std::deque<BackendKey> order_;
};

}  // namespace sluice::ctrl
