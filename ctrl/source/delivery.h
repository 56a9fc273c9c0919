// Hands the snapshots of one subscription to the sink: what says nothing new is a word that the last one
// holds.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ctrl/source/source.h"

namespace sluice::ctrl {

class Delivery {
 public:
  Delivery(SourceSink& sink, SubscriptionId id) : sink_(sink), id_(id) {}

  void put(Snapshot snapshot) {
    Known next{snapshot.instances, snapshot.services, snapshot.unreadable_entries, snapshot.unreadable};
    if (last_ == next && snapshot.repaired == 0) return confirm();
    last_ = std::move(next);
    sink_.deliver(id_, std::move(snapshot));
  }
  void confirm() { sink_.confirm(id_); }
  void lost(const std::string& reason) { sink_.lost(id_, reason); }

 private:
  struct Known {
    std::vector<Instance> instances;
    OfferedServices services;
    std::vector<std::string> unreadable_entries;
    size_t unreadable = 0;
    bool operator==(const Known&) const = default;
  };
  SourceSink& sink_;
  SubscriptionId id_;
  std::optional<Known> last_;
};

}  // namespace sluice::ctrl
