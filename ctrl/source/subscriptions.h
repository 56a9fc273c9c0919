// The subscriptions of a source, by number. One that ends is told so by end(), upon which its coroutines,
// which hold it, end too. Used by the thread of the source.
#pragma once

#include <map>
#include <memory>
#include <utility>

#include "ctrl/source/source.h"

namespace sluice::ctrl {

template <typename Subscription>
class Subscriptions {
 public:
  void add(SubscriptionId id, std::shared_ptr<Subscription> subscription) {
    by_id_[id] = std::move(subscription);
  }
  void end(SubscriptionId id) {
    const auto node = by_id_.extract(id);
    if (!node.empty()) node.mapped()->end();
  }

 private:
  std::map<SubscriptionId, std::shared_ptr<Subscription>> by_id_;
};

}  // namespace sluice::ctrl
