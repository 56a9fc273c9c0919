// What a ClusterLoadAssignment comes to: which endpoints take new flows, and how much of the whole each.
// Pure.
#pragma once

#include "ctrl/observed/snapshot.h"
#include "ctrl/wire/xds_message.h"

namespace sluice::ctrl {

/// Healthy endpoints, and those of which nothing is known, take flows; degraded ones where there are no
/// others; the rest drains. Where there are several priorities, or weights of localities, every instance has
/// its `share`, as Envoy reckons it: priorities by their healthy part times the overprovisioning factor,
/// localities by their weight, likewise scaled, endpoints by theirs.
std::vector<Instance> instances_of(const XdsAssignment& assignment);

}  // namespace sluice::ctrl
