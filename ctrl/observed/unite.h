// How the entries of a source become members of a pool. Pure.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ctrl/intent/model.h"
#include "ctrl/observed/member.h"
#include "ctrl/observed/snapshot.h"

namespace sluice::ctrl {

/// One endpoint of a source, however many entries name it.
struct Discovered {
  HostPort at;
  uint32_t weight = 1;
  bool takes_new_flows = true;
  std::optional<double> share = {};
  bool operator==(const Discovered&) const = default;
};

/// In order of endpoint: the greatest weight of those that name it, draining only if all say so, and all that
/// was shared out to it. Entries without an address are passed over.
std::vector<Discovered> fold(const std::vector<Instance>& instances);

/// Endpoints that a source has withdrawn, with the weight that they had.
using Withdrawn = std::map<HostPort, uint32_t>;

/// Why an address cannot be served in a pool, for people; empty: it can.
using AddressRule = std::function<std::string(const IpAddress&)>;

struct United {
  MemberList list;
  std::vector<std::string> left_out;  ///< entries that `rule` refused, each with its reason
};
/// The union of what the file lists and a source tells: where both name an endpoint the file counts.
United unite(const std::vector<BackendModel>& file, const std::vector<Discovered>& discovered,
             const Withdrawn& withdrawn, const AddressRule& rule);

/// How many members would no longer take new flows if `next` took the place of `now`, and how many do.
struct Loss {
  size_t taken_away = 0;
  size_t present = 0;
};
Loss loss(const std::vector<BackendModel>& file, const std::vector<Discovered>& now,
          const std::vector<Discovered>& next);

}  // namespace sluice::ctrl
