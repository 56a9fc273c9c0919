// Which addresses the gateway tells the links of: ports', SNAT, services' and the ledger's. Control thread;
// pure.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "ctrl/intent/model.h"
#include "dataplane/tables/tables.h"

namespace sluice::ctrl {

/// How many addresses of a prefix that services have are announced on each link that it overlaps, and of all
/// prefixes together. The others are answered for when somebody asks.
inline constexpr size_t kMostAnnouncedOfPrefix = 256;
inline constexpr size_t kMostAnnouncedOfPrefixes = 4096;

using Announcements = std::shared_ptr<const std::vector<dataplane::Announcement>>;

/// What Tables of `generation` announce, with `ports`, `snat` and `ingress` filled in. An address keeps the
/// generation that brought it; where nothing differs, `previous` (null: none) is what comes back.
Announcements announcements(const Model& model, const dataplane::Tables& tables,
                            const Announcements& previous);

/// How many groups that were left are remembered, for their switches to be told.
inline constexpr size_t kMostGroupsLeft = 256;

using Memberships = std::shared_ptr<const std::vector<dataplane::Membership>>;

/// The solicited-node groups of what Tables of `generation` announce and of their ports; as above.
Memberships memberships(const dataplane::Tables& tables, const Memberships& previous);

}  // namespace sluice::ctrl
