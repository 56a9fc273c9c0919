// The members of all pools: what files list and what sources tell, united; and how the sources fare. One
// thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ctrl/intent/backend_rules.h"
#include "ctrl/intent/model.h"
#include "ctrl/observed/discovered_pool.h"
#include "ctrl/observed/member.h"
#include "ctrl/observed/offers.h"
#include "ctrl/observed/source_log.h"
#include "ctrl/observed/source_word.h"

namespace sluice::ctrl {

/// What a source has done since it is configured.
struct SourceCounts {
  uint64_t updates = 0;  ///< snapshots that differed from the one before
  uint64_t errors = 0;
  uint64_t unreadable = 0;  ///< entries, each once
  uint64_t repaired = 0;
  std::string last_error = {};
};

/// One row of source.list.
struct SourceRow {
  struct Pool {
    std::string pool;
    size_t instances;  ///< that the source names now
    bool is_held;
  };
  std::string name;
  std::string type;
  SourceState state = SourceState::kSynced;  ///< of its worst pool
  std::string reason = {};
  std::chrono::system_clock::time_point since = {};
  std::optional<std::chrono::system_clock::time_point> last_success = {};
  SourceCounts counts = {};
  std::vector<Pool> pools = {};
  std::optional<size_t> services = {};  ///< that it brings; nothing: it is not asked for any
};

/// A pool's source has another state, or another reason for it.
struct SourceTransition {
  std::string source;
  std::string pool;  ///< empty: the services that it brings
  SourceState state;
  std::string reason;
};

class Members {
 public:
  /// The lists of another configuration, with what is known of sources: what does not differ is shared with
  /// the present ones. Changes nothing.
  struct Prepared {
    MemberLists lists;
    std::shared_ptr<const BackendRules> rules;
  };
  Prepared prepare(const Model& before, const Model& next) const;
  /// Makes that configuration the present one.
  void follow(const Model& before, const Model& next, Prepared prepared, Moment now);

  const MemberLists& lists() const { return lists_; }

  /// Takes what a source says. True: the members of its pool differ now, or the services that it brings.
  bool take(SourceWord word, const Model& model, Moment now);
  /// What `services_from` brings.
  const OfferedServices& offered() const { return offers_.services(); }
  /// Services that cannot be: each is counted and said once.
  void note_left_out(const std::vector<std::string>& services, Moment now);
  /// Pools whose source has answered since it was asked.
  std::set<std::string> answered() const;
  /// Lets through what a guard holds back in a pool of that source; in all its pools, and of the services
  /// that it brings, where none is named. Answers the pools.
  std::vector<std::string> release(const std::string& source, const std::optional<std::string>& pool,
                                   const Model& model, Moment now);
  /// What time alone changes. Answers the pools whose members differ now.
  std::vector<std::string> expire(const Model& model, Moment now);
  /// Pools that have withdrawn members, to ask whether their flows have ended.
  std::vector<std::string> draining() const;
  /// Withdrawn members whose last flow has ended leave.
  void forget(const std::string& pool, const std::vector<HostPort>& gone, const Model& model);

  /// In the order of the configuration.
  std::vector<SourceRow> rows(const Model& model) const;
  /// What has become of sources since the last call, at most so much.
  static constexpr size_t kMostTransitions = 4096;
  std::vector<SourceTransition> take_transitions() { return std::exchange(transitions_, {}); }
  /// Sources of which a pool waits for a first answer.
  std::vector<std::string> unanswered(const Model& model) const;

 private:
  struct Pool {
    DiscoveredPool discovered;
    size_t unnamed = 0;                   ///< entries that could not be read beyond those that were named
    std::set<std::string> unread = {};    ///< those that were, of the last snapshot
    std::set<std::string> left_out = {};  ///< by the rules for backends
  };
  void unite_again(const PoolModel& pool, Pool& known);
  void note_unreadable(const SourceWord& word, Pool& known);
  void note_state(const std::string& source, const std::string& pool, const DiscoveredPool& now,
                  LineBudget::Time time);
  static const SourceModel* source_of(const Model& model, const PoolModel& pool);
  bool take_services(SourceWord word, const Model& model, Moment now);
  void note_services_state(SourceState before, Moment now);

  MemberLists lists_;
  std::shared_ptr<const BackendRules> rules_;
  std::map<std::string, Pool> pools_;  ///< those that have `discover`
  Offers offers_;
  std::set<std::string> unread_services_;    ///< of the last word
  std::set<std::string> services_left_out_;  ///< of the last model
  std::map<std::string, SourceCounts> counts_;
  mutable SourceLog log_;
  std::vector<SourceTransition> transitions_;
};

}  // namespace sluice::ctrl
