// From what a person wants and what the world says to what counts. Pure; costs what differs.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "ctrl/observed/backend_status.h"
#include "ctrl/observed/member.h"
#include "ctrl/observed/set_contents.h"
#include "ctrl/resolve/effective.h"

namespace sluice::ctrl {

struct Observed {
  const MemberLists& members;
  const std::map<BackendKey, BackendStatus>& statuses;  ///< absent: active and healthy, of the named weight
  const SetContents& sets = kNoSets;
  const InspectionContents& inspections = kNoInspections;

  static inline const SetContents kNoSets = {};
  static inline const InspectionContents kNoInspections = {};
};

/// `touched`: pools of which a status or a weight differs from when `previous` was made; those whose intent
/// or members differ are found here. All others are shared with `previous`, which is null at the first time.
Effective resolve(std::shared_ptr<const Model> intent, const Observed& observed,
                  const std::set<std::string>& touched, const Effective* previous);

}  // namespace sluice::ctrl
