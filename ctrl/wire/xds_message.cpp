#include "ctrl/wire/xds_message.h"

#include <algorithm>
#include <utility>

#include "ctrl/wire/protobuf.h"

namespace sluice::ctrl {
namespace {

constexpr uint64_t kInvalidArgument = 3;

/// envoy.config.cluster.v3.Cluster.DiscoveryType.
enum class ClusterType : uint64_t { kStatic, kStrictDns, kLogicalDns, kEds };

/// google.protobuf.UInt32Value.
std::optional<uint32_t> read_wrapped(std::string_view message) {
  ProtobufReader reader(message);
  uint64_t value = 0;
  while (const auto field = reader.next()) {
    if (field->is_integer(1)) value = field->integer;
  }
  if (reader.is_faulty()) return std::nullopt;
  return static_cast<uint32_t>(value);
}

/// The last field `number` of a message that has other messages in it; nothing: it is faulty.
std::optional<std::string_view> nested(std::string_view message, uint32_t number) {
  ProtobufReader reader(message);
  std::string_view found;
  while (const auto field = reader.next()) {
    if (field->is_bytes(number)) found = field->bytes;
  }
  if (reader.is_faulty()) return std::nullopt;
  return found;
}

/// As NameStage takes it; what it is of, a resolver will say.
bool may_be_host_name(std::string_view text) {
  constexpr size_t kMostBytes = 253;
  return !text.empty() && text.size() <= kMostBytes && std::ranges::all_of(text, [](char byte) {
    return byte > ' ' && byte <= '~' && byte != ':' && byte != '/';
  });
}

/// core.v3.SocketAddress.
Result<void> read_socket_address(std::string_view message, bool may_be_name, XdsEndpoint& endpoint) {
  ProtobufReader reader(message);
  std::string_view address;
  uint64_t port = 0;
  while (const auto field = reader.next()) {
    if (field->is_integer(1) && field->integer != 0) return fail("an endpoint that is not TCP");
    if (field->is_bytes(2)) address = field->bytes;
    if (field->is_integer(3)) port = field->integer;
  }
  const auto parsed = IpAddress::parse(address);
  const bool is_name = !parsed && may_be_name && may_be_host_name(address);
  if (reader.is_faulty() || (!parsed && !is_name)) {
    return fail(may_be_name ? "an endpoint without an address or a name"
                            : "an endpoint without an IP address");
  }
  if (port < 1 || port > 65535) return fail("an endpoint's port is not 1 to 65535");
  if (is_name) {
    endpoint.name = address;
  } else {
    endpoint.address = *parsed;
  }
  endpoint.port = static_cast<uint16_t>(port);
  return {};
}

Result<XdsEndpoint> read_endpoint(std::string_view message, bool may_have_name) {
  constexpr const char* kFaulty = "an endpoint that cannot be read";
  ProtobufReader reader(message);
  XdsEndpoint endpoint;
  std::string_view socket_address;
  while (const auto field = reader.next()) {
    if (field->is_bytes(1)) {  // Endpoint{address{socket_address}}
      const auto address = nested(field->bytes, 1);
      const auto socket = address ? nested(*address, 1) : std::nullopt;
      if (!socket) return fail(kFaulty);
      socket_address = *socket;
    }
    if (field->is_integer(2)) {
      endpoint.health = field->integer <= 5 ? static_cast<XdsHealth>(field->integer) : XdsHealth::kUnknown;
    }
    if (field->is_bytes(4)) {
      const auto weight = read_wrapped(field->bytes);
      if (!weight || *weight == 0) return fail("an endpoint's load_balancing_weight is not 1 or more");
      endpoint.weight = *weight;
    }
  }
  if (reader.is_faulty()) return fail(kFaulty);
  if (auto read = read_socket_address(socket_address, may_have_name, endpoint); !read) {
    return tl::unexpected(read.error());
  }
  return endpoint;
}

Result<XdsLocality> read_locality(std::string_view message, bool may_have_names) {
  ProtobufReader reader(message);
  XdsLocality locality;
  while (const auto field = reader.next()) {
    if (field->is_bytes(2)) {
      auto endpoint = read_endpoint(field->bytes, may_have_names);
      if (!endpoint) return tl::unexpected(endpoint.error());
      locality.endpoints.push_back(std::move(*endpoint));
    }
    if (field->is_bytes(3)) locality.weight = read_wrapped(field->bytes);
    if (!field->is_integer(5)) continue;
    if (field->integer > 128) return fail("a priority above 128");
    locality.priority = static_cast<uint32_t>(field->integer);
  }
  if (reader.is_faulty()) return fail("a locality that cannot be read");
  return locality;
}

/// Policy{overprovisioning_factor}.
bool read_policy(std::string_view message, XdsAssignment& assignment) {
  const auto factor = nested(message, 3);
  if (!factor) return false;
  if (factor->empty()) return true;
  const auto value = read_wrapped(*factor);
  if (value && *value > 0) assignment.overprovisioning = *value;
  return value.has_value();
}

XdsResource read_any(std::string_view message, bool& is_faulty) {
  ProtobufReader reader(message);
  XdsResource resource;
  while (const auto field = reader.next()) {
    if (field->is_bytes(1)) resource.type = field->bytes;
    if (field->is_bytes(2)) resource.content = field->bytes;
  }
  is_faulty |= reader.is_faulty();
  return resource;
}

/// discovery.v3.Resource, of incremental discovery.
XdsResource read_resource(std::string_view message, bool& is_faulty) {
  ProtobufReader reader(message);
  XdsResource resource;
  std::string_view name, version;
  while (const auto field = reader.next()) {
    if (field->is_bytes(1)) version = field->bytes;
    if (field->is_bytes(2)) resource = read_any(field->bytes, is_faulty);
    if (field->is_bytes(3)) name = field->bytes;
  }
  resource.name = name;
  resource.version = version;
  is_faulty |= reader.is_faulty();
  return resource;
}

std::string write_node(const XdsRequest& request) {
  ProtobufWriter node;
  node.text(1, request.node_id);
  node.text(2, request.node_cluster);
  node.text(6, "sluice");
  return node.take();
}

std::string write_refusal(const std::string& text) {
  ProtobufWriter status;
  status.integer(1, kInvalidArgument);
  status.text(2, text);
  return status.take();
}

}  // namespace

Result<XdsAssignment> read_xds_assignment(std::string_view message, bool may_have_names) {
  ProtobufReader reader(message);
  XdsAssignment assignment;
  bool is_faulty = false;
  while (const auto field = reader.next()) {
    if (field->is_bytes(1)) assignment.name = field->bytes;
    if (field->is_bytes(2)) {
      auto locality = read_locality(field->bytes, may_have_names);
      if (!locality) return fail(assignment.name + ": " + locality.error().message);
      assignment.localities.push_back(std::move(*locality));
    }
    if (field->is_bytes(4)) is_faulty |= !read_policy(field->bytes, assignment);
  }
  if (reader.is_faulty() || is_faulty) return fail("a ClusterLoadAssignment that cannot be read");
  if (assignment.name.empty()) return fail("a ClusterLoadAssignment without cluster_name");
  return assignment;
}

Result<XdsCluster> read_xds_cluster(std::string_view message) {
  ProtobufReader reader(message);
  XdsCluster cluster;
  auto type = ClusterType::kStatic;
  std::string_view service_name, inlined;
  while (const auto field = reader.next()) {
    if (field->is_bytes(1)) cluster.name = field->bytes;
    if (field->is_integer(2)) type = static_cast<ClusterType>(field->integer);
    if (field->is_bytes(3)) {
      const auto name = nested(field->bytes, 2);
      if (!name) return fail("a cluster that cannot be read");
      service_name = *name;
    }
    if (field->is_bytes(33)) inlined = field->bytes;
  }
  if (reader.is_faulty()) return fail("a cluster that cannot be read");
  if (cluster.name.empty()) return fail("a cluster without a name");
  if (type == ClusterType::kEds) {
    cluster.eds_name = service_name.empty() ? cluster.name : std::string(service_name);
    return cluster;
  }
  const bool is_dns = type == ClusterType::kStrictDns || type == ClusterType::kLogicalDns;
  if ((type == ClusterType::kStatic || is_dns) && !inlined.empty()) {
    auto assignment = read_xds_assignment(inlined, is_dns);
    if (!assignment) return tl::unexpected(assignment.error());
    cluster.inlined = std::move(*assignment);
  }
  return cluster;
}

Result<XdsResponse> read_xds_response(std::string_view message, bool is_delta) {
  ProtobufReader reader(message);
  XdsResponse response;
  bool is_faulty = false;
  while (const auto field = reader.next()) {
    if (field->is_bytes(1)) response.version = field->bytes;
    if (field->is_bytes(2)) {
      response.resources.push_back(is_delta ? read_resource(field->bytes, is_faulty)
                                            : read_any(field->bytes, is_faulty));
    }
    if (field->is_bytes(4)) response.type = field->bytes;
    if (field->is_bytes(5)) response.nonce = field->bytes;
    if (is_delta && field->is_bytes(6)) response.removed.emplace_back(field->bytes);
  }
  if (reader.is_faulty() || is_faulty) return fail("an answer that is none of xDS");
  return response;
}

std::string write_xds_request(const XdsRequest& request, bool is_delta) {
  ProtobufWriter message;
  const bool has_node = !request.node_id.empty() || !request.node_cluster.empty();
  if (!is_delta) {
    message.text(1, request.version);
    if (has_node) message.message(2, write_node(request));
    for (const std::string& name : request.names) message.message(3, name);
    message.text(4, request.type);
    message.text(5, request.nonce);
    if (!request.refusal.empty()) message.message(6, write_refusal(request.refusal));
    return message.take();
  }
  if (has_node) message.message(1, write_node(request));
  message.text(2, request.type);
  for (const std::string& name : request.subscribe) message.message(3, name);
  for (const std::string& name : request.unsubscribe) message.message(4, name);
  for (const auto& [name, version] : request.versions) {
    ProtobufWriter entry;
    entry.text(1, name);
    entry.text(2, version);
    message.message(5, entry.take());
  }
  message.text(6, request.nonce);
  if (!request.refusal.empty()) message.message(7, write_refusal(request.refusal));
  return message.take();
}

}  // namespace sluice::ctrl
