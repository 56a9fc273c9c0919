// What a source has said of one pool's subscription, on its way to the gateway. Values.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ctrl/intent/source_model.h"
#include "ctrl/observed/discovered_pool.h"
#include "ctrl/observed/offered_service.h"
#include "ctrl/observed/unite.h"

namespace sluice::ctrl {

struct SourceWord {
  enum class Kind : uint8_t { kDelivered, kConfirmed, kLost };

  std::string pool = {};
  /// What the source was asked for: where the pool asks for something else now, the word is too late.
  std::shared_ptr<const DiscoverModel> asked = {};
  Kind kind = Kind::kConfirmed;
  Moment seen = {};
  std::vector<Discovered> entries = {};  ///< of kDelivered, as fold() leaves them
  size_t unreadable = 0;
  std::vector<std::string> unreadable_entries = {};
  size_t repaired = 0;
  std::string reason = {};  ///< of kLost
  /// The source, where its word is about the services that it brings, and `pool`, `asked` and `entries` are
  /// empty; else empty.
  std::string services_of = {};
  OfferedServices services = {};  ///< of kDelivered
};

}  // namespace sluice::ctrl
