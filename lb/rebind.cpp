#include "lb/rebind.h"

#include <algorithm>

#include "lb/pool_members.h"
#include "lb/pool_steering.h"
#include "lb/pool_table.h"

namespace sluice::lb {
namespace {

Be16 port_of(Be16 configured, const FlowKey& request) {
  return configured.network() != 0 ? configured : request.destination_port;
}

/// The backend of a pool of `service`, which the packets of `request` are for, at the endpoint of `former`:
/// one that keeps its flows, or kNoBackend. Without NAT a port is only a name: the packets keep theirs.
BackendId same_backend(const View& view, const Service& service, uint32_t pool, const Backend& former,
                       const FlowKey& request) {
  if (!view.members || pool >= view.members->size() || (*view.members)[pool] == nullptr) return kNoBackend;
  BackendId found = kNoBackend;
  for (const PoolMembers::Member& member : (*view.members)[pool]->at(former.address)) {
    if (!view.backends[member.id].keeps_flows) continue;
    if (member.port == former.port) return member.id;
    const bool meets_the_same =
        !service.is_nat() || port_of(member.port, request) == port_of(former.port, request);
    if (meets_the_same) found = member.id;
  }
  return found;
}

/// The same of any of its pools.
BackendId same_backend(const View& view, const Service& service, const Backend& former,
                       const FlowKey& request) {
  if (service.steering == nullptr) {
    return same_backend(view, service, service.pool->index(), former, request);
  }
  for (const uint32_t pool : service.steering->pools()) {
    const BackendId found = same_backend(view, service, pool, former, request);
    if (found != kNoBackend) return found;
  }
  return kNoBackend;
}

/// The index of the address that answers to a flow of full-nat are sent to.
std::optional<uint8_t> snat_index(const View& view, const IpAddress& address, uint8_t former) {
  if (former < view.snat.size() && view.snat[former] == address) return former;
  const auto usable = view.snat.first(std::min<size_t>(view.snat.size(), 256));
  const auto found = std::find(usable.begin(), usable.end(), address);
  if (found == usable.end()) return std::nullopt;
  return static_cast<uint8_t>(found - usable.begin());
}

}  // namespace

ServiceId find_service(const View& view, const FlowKey& key) {
  const ServiceId id = view.service_table->find(key.destination, key.destination_port, key.protocol);
  return id != kNoService && view.services[id].pool != nullptr ? id : kNoService;
}

std::optional<Binding> binding_of(const View& view, const FlowTable& flows, const FlowEntry& flow) {
  if (is_bound(view, flow)) return Binding{flow.service, flow.backend, flow.snat};
  if (flow.service >= view.services.size() || flow.backend >= view.backends.size()) return std::nullopt;
  const Service& former_service = view.services[flow.service];
  const Backend& former = view.backends[flow.backend];
  // A backend that is there, and keeps no flows, is to lose them; so is one that was flushed.
  const bool is_there = former_service.pool != nullptr && former.state != BackendState::kRemoved;
  if (is_there || former.address == IpAddress{}) return std::nullopt;

  const FlowEntry& request = flow.is_reply ? flows.at(flow.peer) : flow;
  const FlowKey key = flows.key_of(request);
  const ServiceId id = find_service(view, key);
  if (id == kNoService || view.services[id].forward != former_service.forward) return std::nullopt;
  const Service& service = view.services[id];
  Binding binding{id, same_backend(view, service, former, key), flow.snat};
  // Routes and splits steer new flows alone: where there are some, or were, a flow stays where it went.
  const bool was_steered = service.is_steered || former_service.is_steered;
  if (binding.backend == kNoBackend && was_steered && former.keeps_flows) binding.backend = flow.backend;
  if (binding.backend == kNoBackend) return std::nullopt;
  if (service.forward == ForwardMode::kFullNat) {
    const auto index = snat_index(view, flows.key_of(flows.at(request.peer)).destination, flow.snat);
    if (!index) return std::nullopt;
    binding.snat = *index;
  }
  return binding;
}

void rebind(FlowTable& flows, FlowEntry& flow, const Binding& binding, std::span<TargetCounters> services,
            std::span<TargetCounters> backends) {
  services[flow.service].active_flows.add(-1);
  backends[flow.backend].active_flows.add(-1);
  services[binding.service].active_flows.add(1);
  backends[binding.backend].active_flows.add(1);
  const auto set = [&](FlowEntry& entry) {
    entry.service = binding.service;
    entry.backend = binding.backend;
    entry.snat = binding.snat;
  };
  set(flow);
  if (flow.peer != kNoFlow) set(flows.at(flow.peer));
}

}  // namespace sluice::lb
