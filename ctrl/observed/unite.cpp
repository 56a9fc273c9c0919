#include "ctrl/observed/unite.h"

#include <algorithm>
#include <cmath>

#include "ctrl/intent/config_values.h"

namespace sluice::ctrl {
namespace {

std::vector<HostPort> sorted_places(const std::vector<BackendModel>& file) {
  std::vector<HostPort> places;
  places.reserve(file.size());
  for (const BackendModel& backend : file) places.push_back({backend.address, backend.port});
  std::ranges::sort(places);
  return places;
}

/// Gives `list` the weights that have flows fall as the source shares them out; what the file lists is
/// reckoned by its weight among the source's.
void share_out(MemberList& list, const std::vector<Discovered>& discovered) {
  const bool has_shares =
      std::ranges::any_of(discovered, [](const auto& one) { return one.share.has_value(); });
  if (!has_shares) return;
  std::map<HostPort, double> shares;
  double weights = 0, greatest = 0;
  for (const Discovered& one : discovered) {
    shares.emplace(one.at, one.share.value_or(0));
    weights += one.weight;
  }
  const auto share_of = [&](const Member& member) {
    if (member.is_from_file) return weights > 0 ? member.weight / weights : 1.0;
    const auto found = shares.find(member.at);
    return found == shares.end() ? 0 : found->second;
  };
  for (const Member& member : list.members) greatest = std::max(greatest, share_of(member));
  for (Member& member : list.members) {
    const double share = share_of(member);
    // A share that is not zero stays so, however small it is beside the greatest.
    member.table_weight =
        share <= 0 ? 0 : std::max(1u, static_cast<uint32_t>(std::lround(share / greatest * kGreatestWeight)));
  }
}

}  // namespace

std::vector<Discovered> fold(const std::vector<Instance>& instances) {
  std::vector<Discovered> entries;
  entries.reserve(instances.size());
  for (const Instance& instance : instances) {
    if (instance.address == IpAddress{}) continue;
    entries.push_back(
        {{instance.address, instance.port}, instance.weight, instance.takes_new_flows, instance.share});
  }
  std::ranges::sort(entries, {}, &Discovered::at);
  std::vector<Discovered> folded;
  folded.reserve(entries.size());
  for (Discovered& entry : entries) {
    if (folded.empty() || folded.back().at != entry.at) {
      folded.push_back(std::move(entry));
      continue;
    }
    Discovered& known = folded.back();
    known.weight = std::max(known.weight, entry.weight);
    known.takes_new_flows |= entry.takes_new_flows;
    if (entry.share) known.share = known.share.value_or(0) + *entry.share;
  }
  return folded;
}

United unite(const std::vector<BackendModel>& file, const std::vector<Discovered>& discovered,
             const Withdrawn& withdrawn, const AddressRule& rule) {
  United result;
  MemberList& list = result.list;
  list.members.reserve(file.size() + discovered.size() + withdrawn.size());
  for (const BackendModel& backend : file) {
    list.members.push_back({{backend.address, backend.port}, backend.weight, backend.weight});
  }
  list.present = file.size();
  const std::vector<HostPort> places = sorted_places(file);
  const auto is_in_file = [&](const HostPort& at) { return std::ranges::binary_search(places, at); };
  for (const Discovered& one : discovered) {
    if (is_in_file(one.at)) continue;
    if (const std::string why = rule ? rule(one.at.address) : ""; !why.empty()) {
      result.left_out.push_back(endpoint_text(one.at.address, one.at.port) + ": " + why);
      continue;
    }
    const Offer offer = one.takes_new_flows ? Offer::kTakesFlows : Offer::kDrains;
    list.members.push_back({one.at, one.weight, one.weight, offer, false});
    list.present += one.takes_new_flows;
  }
  share_out(list, discovered);
  const auto middle = static_cast<std::ptrdiff_t>(list.members.size());
  for (const auto& [at, weight] : withdrawn) {
    if (!is_in_file(at)) list.members.push_back({at, weight, weight, Offer::kWithdrawn, false});
  }
  const auto first = list.members.begin();
  std::inplace_merge(first + static_cast<std::ptrdiff_t>(file.size()), first + middle, list.members.end(),
                     [](const Member& a, const Member& b) { return a.at < b.at; });
  return result;
}

Loss loss(const std::vector<BackendModel>& file, const std::vector<Discovered>& now,
          const std::vector<Discovered>& next) {
  const std::vector<HostPort> places = sorted_places(file);
  Loss result{0, file.size()};
  auto successor = next.begin();
  for (const Discovered& one : now) {
    if (!one.takes_new_flows || std::ranges::binary_search(places, one.at)) continue;
    ++result.present;
    while (successor != next.end() && successor->at < one.at) ++successor;
    const bool stays = successor != next.end() && successor->at == one.at && successor->takes_new_flows;
    result.taken_away += !stays;
  }
  return result;
}

}  // namespace sluice::ctrl
