// What the tests of ctrl need to play the Gateway's part: members of files alone, and what counts of them.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "ctrl/observed/backend_statuses.h"
#include "ctrl/observed/members.h"
#include "ctrl/resolve/resolve.h"

namespace sluice::test {

using ctrl::BackendKey, ctrl::BackendStatus, ctrl::BackendStatuses, ctrl::Effective, ctrl::MemberList,
    ctrl::MemberLists, ctrl::Model;

/// What the files of a configuration list; shared with `before` where nothing differs.
inline MemberLists file_members(const Model& model, const MemberLists& before = {}) {
  MemberLists lists = before;
  for (const auto& [name, known] : before) {
    if (!model.pools.contains(name)) lists.erase(name);
  }
  for (const auto& [name, pool] : model.pools) {
    MemberList list = ctrl::unite(pool->backends, {}, {}, nullptr).list;
    const auto known = before.find(name);
    if (known != before.end() && *known->second == list) continue;
    lists.set(name, std::make_shared<const MemberList>(std::move(list)));
  }
  return lists;
}

inline void follow(BackendStatuses& statuses, const Model& before, const Model& after,
                   BackendStatuses::Time now) {
  const MemberLists lists_before = file_members(before);
  const MemberLists lists = file_members(after, lists_before);
  statuses.follow({before, lists_before}, {after, lists}, now);
}

inline std::shared_ptr<const Effective> effective(std::shared_ptr<const Model> model,
                                                  const std::map<BackendKey, BackendStatus>& statuses = {},
                                                  const std::set<std::string>& touched = {},
                                                  const Effective* before = nullptr) {
  const MemberLists members = file_members(*model, before ? before->members : MemberLists{});
  return std::make_shared<const Effective>(
      ctrl::resolve(std::move(model), {members, statuses}, touched, before));
}

}  // namespace sluice::test
