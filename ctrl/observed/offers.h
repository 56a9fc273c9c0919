// The services that `services_from` brings, and how sure that is: what its source has told of listeners. One
// thread at a time.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ctrl/intent/model.h"
#include "ctrl/observed/discovered_pool.h"
#include "ctrl/observed/offered_service.h"
#include "ctrl/observed/source_word.h"

namespace sluice::ctrl {

/// A source's outage takes no service away, however long it lasts: `hold_for` empties pools alone.
class Offers {
 public:
  /// What the configuration says of them: what another source told is forgotten.
  void follow(const Model& model, Moment now);

  /// The source; empty: nothing is asked for.
  const std::string& source() const { return source_; }
  /// What counts now.
  const OfferedServices& services() const { return applied_; }
  /// For the source's state.
  const DiscoveredPool& standing() const { return standing_; }
  /// Tells whether what counts differs afterwards. The word is of this source, and was asked for.
  bool take(SourceWord& word, const SourceModel& source, Moment now);
  /// Lets through what `on_empty: hold` holds; false: nothing is held.
  bool release(const SourceModel& source, Moment now);
  /// Silence.
  void expire(const SourceModel& source, Moment now) { standing_.expire(policy(source), now); }

 private:
  static SourcePolicy policy(const SourceModel& source);

  std::string source_;
  DiscoveredPool standing_{Moment{}};  ///< of their addresses: states are as those of pools
  OfferedServices applied_;
  OfferedServices told_;  ///< the last word, which may be held
};

/// A model with the services that were offered, and those of their clusters that are pools of their own.
struct OfferedModel {
  std::shared_ptr<const Model> model;  ///< `intent` itself where nothing is added
  std::vector<std::string> left_out;   ///< services that cannot be, each with its reason
};

/// What counts so far, for the next.
struct OffersSoFar {
  const Model* model = nullptr;         ///< with what was offered before
  std::set<std::string> answered = {};  ///< pools whose source has answered
  std::function<bool(const std::string& pool)> has_flows = {};
};

/// What was added before and says the same is the same object. A service counts, or changes its pools, once
/// all of its pools have answered: till then what was there of it holds. A pool that was added, and that no
/// service needs any more, stays until its flows have ended. Pure.
OfferedModel with_offered(const std::shared_ptr<const Model>& intent, const OfferedServices& offered,
                          const OffersSoFar& so_far);

}  // namespace sluice::ctrl
