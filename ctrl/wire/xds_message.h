// What of the xDS protocol (envoy.service.discovery.v3) tells where a cluster's endpoints are: the messages
// of aggregated discovery, state of the world and incremental, clusters (CDS) and their endpoints (EDS).
// Pure; fields that are not needed here are passed over.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/address.h"
#include "common/result.h"

namespace sluice::ctrl {

inline constexpr std::string_view kClusterType = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
inline constexpr std::string_view kAssignmentType =
    "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";

/// envoy.config.core.v3.HealthStatus.
enum class XdsHealth : uint8_t { kUnknown, kHealthy, kUnhealthy, kDraining, kTimeout, kDegraded };

struct XdsEndpoint {
  IpAddress address;
  std::string name = {};  ///< instead of an address, in clusters of type STRICT_DNS and LOGICAL_DNS
  uint16_t port = 0;
  uint32_t weight = 1;
  XdsHealth health = XdsHealth::kUnknown;
  bool operator==(const XdsEndpoint&) const = default;
};

struct XdsLocality {
  uint32_t priority = 0;
  std::optional<uint32_t> weight = {};
  std::vector<XdsEndpoint> endpoints = {};
  bool operator==(const XdsLocality&) const = default;
};

/// ClusterLoadAssignment.
struct XdsAssignment {
  std::string name;
  uint32_t overprovisioning = 140;  ///< per cent
  std::vector<XdsLocality> localities = {};
  bool operator==(const XdsAssignment&) const = default;
};

struct XdsCluster {
  std::string name;
  /// By what name its endpoints are asked for; empty: `inlined` has them.
  std::string eds_name;
  XdsAssignment inlined;  ///< addresses where the type is STATIC, names where it is one of DNS
};

// Errors are what the control plane is told in a NACK: whatever a resource has that no proxy could use.
Result<XdsCluster> read_xds_cluster(std::string_view message);
Result<XdsAssignment> read_xds_assignment(std::string_view message, bool may_have_names = false);

struct XdsResource {
  std::string name;  ///< of incremental discovery alone
  std::string version;
  std::string type;
  std::string content;
};

/// DiscoveryResponse, or DeltaDiscoveryResponse.
struct XdsResponse {
  std::string type;
  std::string version;
  std::string nonce;
  std::vector<XdsResource> resources = {};
  std::vector<std::string> removed = {};
};
Result<XdsResponse> read_xds_response(std::string_view message, bool is_delta);

/// DiscoveryRequest, or DeltaDiscoveryRequest.
struct XdsRequest {
  std::string_view type;
  std::string node_id = {}, node_cluster = {};  ///< in the first request of a stream
  std::string nonce = {};                       ///< of the response that is answered
  std::string refusal = {};                     ///< why it is not taken; empty: it is
  // State of the world:
  std::string version = {};
  std::vector<std::string> names = {};
  // Incremental:
  std::vector<std::string> subscribe = {}, unsubscribe = {};
  std::map<std::string, std::string> versions = {};  ///< of what is known, by name
};
std::string write_xds_request(const XdsRequest& request, bool is_delta);

}  // namespace sluice::ctrl
