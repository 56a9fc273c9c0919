#include "ctrl/intent/announcements.h"

#include <algorithm>
#include <array>
#include <map>
#include <tuple>

#include "dataplane/packet/ndp.h"

namespace sluice::ctrl {
namespace {

using dataplane::Announcement;
using dataplane::Membership;
using dataplane::PortView;

uint8_t width_of(const IpAddress& address) {
  return address.is_v4() ? 32 : 128;
}

/// The address that follows; behind the last comes the first.
IpAddress next(const IpAddress& address) {
  auto bytes = address.bytes();
  for (size_t i = bytes.size(); i-- > 0;) {
    if (++bytes[i] != 0) break;
  }
  return IpAddress::v6(bytes.data());
}

/// Whether hosts of that network have no such address: its own, and IPv4's broadcast (RFC 1122, 3.2.1.3), or
/// IPv6's anycast of all routers (RFC 4291, 2.6.1).
bool is_reserved(const Prefix& network, const IpAddress& address) {
  if (network.length + 1 >= width_of(address)) return false;  // RFC 3021, RFC 6164
  if (address == network.network().address) return true;
  return address.is_v4() && !network.contains(next(address));
}

/// Addresses by the links that are told of them.
class Collection {
 public:
  explicit Collection(const std::vector<PortView>& ports) : ports_(ports) {}

  void add_of_port(size_t port) {
    for (const Prefix& own : ports_[port].addresses) links_[own.address] |= bit(port);
  }
  /// On the links that it belongs to; routed here, on all.
  void add(const IpAddress& address) {
    uint32_t on = 0;
    for (size_t port = 0; port < ports_.size(); ++port) {
      const auto& networks = ports_[port].addresses;
      const bool is_there = std::any_of(networks.begin(), networks.end(),
                                        [&](const Prefix& own) { return own.contains(address); });
      if (is_there) on |= bit(port);
    }
    const auto all = static_cast<uint32_t>((uint64_t{1} << ports_.size()) - 1);
    links_[address] |= on != 0 ? on : all;
  }
  /// What of a prefix lies on links.
  void add_prefix(const Prefix& prefix) {
    for (size_t port = 0; port < ports_.size(); ++port) {
      for (const Prefix& own : ports_[port].addresses) {
        if (!own.overlaps(prefix)) continue;
        const Prefix shared = own.length > prefix.length ? own.network() : prefix;
        IpAddress address = shared.address;
        for (size_t i = 0; i < kMostAnnouncedOfPrefix && of_prefixes_ < kMostAnnouncedOfPrefixes; ++i) {
          if (!shared.contains(address)) break;
          if (!is_reserved(own, address)) {
            links_[address] |= bit(port);
            ++of_prefixes_;
          }
          address = next(address);
          if (address == shared.address) break;
        }
      }
    }
  }
  const std::map<IpAddress, uint32_t>& all() const { return links_; }

 private:
  static uint32_t bit(size_t port) { return uint32_t{1} << port; }

  const std::vector<PortView>& ports_;
  std::map<IpAddress, uint32_t> links_;
  size_t of_prefixes_ = 0;
};

}  // namespace

Announcements announcements(const Model& model, const dataplane::Tables& tables,
                            const Announcements& previous) {
  Collection collection(tables.ports);
  for (size_t port = 0; port < tables.ports.size(); ++port) collection.add_of_port(port);
  for (const IpAddress& address : tables.snat) {
    if (address != IpAddress()) collection.add(address);  // an index whose address is gone
  }
  for (size_t i = 0; tables.ingress && i < tables.ingress->size(); ++i) {
    collection.add((*tables.ingress)[i].address);
  }
  for (const auto& [name, service] : model.services) {
    const Prefix& prefix = service->address;
    if (prefix.length == width_of(prefix.address)) {
      collection.add(prefix.address);
    } else {
      collection.add_prefix(prefix);
    }
  }
  std::map<IpAddress, const Announcement*> before;
  for (size_t i = 0; previous && i < previous->size(); ++i) before[(*previous)[i].address] = &(*previous)[i];
  auto result = std::make_shared<std::vector<Announcement>>();
  result->reserve(collection.all().size());
  for (const auto& [address, ports] : collection.all()) {
    const auto known = before.find(address);
    const bool is_known = known != before.end() && known->second->ports == ports;
    result->push_back({is_known ? known->second->since : tables.generation, address, ports});
  }
  std::stable_sort(result->begin(), result->end(),
                   [](const Announcement& a, const Announcement& b) { return a.since < b.since; });
  if (previous && *previous == *result) return previous;
  return result;
}

Memberships memberships(const dataplane::Tables& tables, const Memberships& previous) {
  std::map<IpAddress, uint32_t> wanted;
  for (const Announcement& announcement : *tables.announcements) {
    if (announcement.address.is_v4()) continue;
    wanted[dataplane::solicited_node_address(announcement.address)] |= announcement.ports;
  }
  for (size_t port = 0; port < tables.ports.size(); ++port) {
    wanted[dataplane::solicited_node_address(tables.ports[port].link_local)] |= uint32_t{1} << port;
  }
  std::map<IpAddress, const Membership*> before;
  std::vector<Membership> left;
  for (size_t i = 0; previous && i < previous->size(); ++i) {
    const Membership& known = (*previous)[i];
    if (!known.has_left) before[known.group] = &known;
    const auto now = wanted.find(known.group);
    const uint32_t gone = known.ports & ~(now == wanted.end() ? 0 : now->second);
    if (gone != 0)
      left.push_back({known.group, known.has_left ? known.since : tables.generation, gone, true});
  }
  std::stable_sort(left.begin(), left.end(),
                   [](const Membership& a, const Membership& b) { return a.since > b.since; });
  if (left.size() > kMostGroupsLeft) left.resize(kMostGroupsLeft);
  auto result = std::make_shared<std::vector<Membership>>(std::move(left));
  for (const auto& [group, ports] : wanted) {
    const auto known = before.find(group);
    const bool is_known = known != before.end() && known->second->ports == ports;
    result->push_back({group, is_known ? known->second->since : tables.generation, ports, false});
  }
  std::sort(result->begin(), result->end(), [](const Membership& a, const Membership& b) {
    return std::tie(a.group, a.has_left, a.since) < std::tie(b.group, b.has_left, b.since);
  });
  if (previous && *previous == *result) return previous;
  return result;
}

}  // namespace sluice::ctrl
