// All sources of a configuration, each on its thread, and the subscriptions of its pools; what they say, with
// names resolved, goes to one receiver.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "ctrl/intent/model.h"
#include "ctrl/observed/source_word.h"

namespace sluice::ctrl {

class LeaseTable;

class SourceSet {
 public:
  /// Called on the threads of sources.
  using Receiver = std::function<void(SourceWord)>;

  /// `registered`: for sources of type registry; null where this gateway has no registry.
  explicit SourceSet(Receiver receive, LeaseTable* registered = nullptr);
  /// Ends all sources; may wait for one that is reading something long.
  ~SourceSet();

  /// Starts, ends and subscribes what that configuration asks for. A source whose settings are the same goes
  /// on, and so do subscriptions that are. One thread at a time; may wait like the destructor.
  void follow(const Model& model);

 private:
  class Runner;
  struct Runners;
  struct Subscribed {
    std::string source;
    std::shared_ptr<const DiscoverModel> asked;
    uint64_t id;
  };
  void unsubscribe(const Subscribed& subscribed);
  void subscribe(const PoolModel& pool);
  /// Has that source alone tell of services; empty: none.
  void follow_services(const std::string& source);

  const Receiver receive_;
  LeaseTable* const registered_;
  uint64_t next_id_ = 1;
  std::map<std::string, std::unique_ptr<Runner>> runners_;  ///< by name of source
  const std::shared_ptr<Runners> known_;                    ///< the same, for threads of sources
  std::map<std::string, Subscribed> subscribed_;            ///< by pool
  std::optional<Subscribed> services_;
};

}  // namespace sluice::ctrl
