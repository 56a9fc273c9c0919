#include "ctrl/wire/xds_listener.h"

#include <algorithm>
#include <array>
#include <utility>

#include "ctrl/wire/protobuf.h"

namespace sluice::ctrl {
namespace {

constexpr std::string_view kTcpProxy =
    "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";
constexpr uint32_t kGreatestTargetWeight = 65535;
/// Filters before `tcp_proxy` that only count, so that a flow is the same without them.
constexpr std::array<std::string_view, 2> kOnlyCount = {"istio.stats", "istio.metadata_exchange"};

/// What is wrong with a listener: bytes that are none of its message, or something that is not for layer 4.
struct Finding {
  bool is_faulty = false;
  std::string objection = {};

  void object(std::string reason) {
    if (objection.empty()) objection = std::move(reason);
  }
};

void read_socket_address(std::string_view message, XdsListener& listener, Finding& finding) {
  ProtobufReader reader(message);
  std::string_view address;
  uint64_t port = 0;
  while (const auto field = reader.next()) {
    if (field->is_integer(1) && field->integer != 0) finding.object("it is not TCP");
    if (field->is_bytes(2)) address = field->bytes;
    if (field->is_integer(3)) port = field->integer;
  }
  finding.is_faulty |= reader.is_faulty();
  const auto parsed = IpAddress::parse(address);
  if (!parsed) return finding.object("its address is not an IP address");
  if (port < 1 || port > 65535) return finding.object("its port is not 1 to 65535");
  listener.address = *parsed;
  listener.port = static_cast<uint16_t>(port);
}

void read_address(std::string_view message, XdsListener& listener, Finding& finding) {
  ProtobufReader reader(message);
  bool has_socket = false;
  while (const auto field = reader.next()) {
    if (!field->is_bytes(1)) continue;
    has_socket = true;
    read_socket_address(field->bytes, listener, finding);
  }
  finding.is_faulty |= reader.is_faulty();
  if (!has_socket) finding.object("its address is not an IP address");
}

/// TcpProxy.WeightedCluster.ClusterWeight.
XdsListener::Target read_weighted(std::string_view message, Finding& finding) {
  ProtobufReader reader(message);
  XdsListener::Target target{.cluster = {}, .weight = 0};
  while (const auto field = reader.next()) {
    if (field->is_bytes(1)) target.cluster = field->bytes;
    if (!field->is_integer(2)) continue;
    if (field->integer > kGreatestTargetWeight) finding.object("a weight of its clusters is above 65535");
    target.weight = static_cast<uint32_t>(std::min<uint64_t>(field->integer, kGreatestTargetWeight));
  }
  finding.is_faulty |= reader.is_faulty();
  return target;
}

void add_target(XdsListener::Target target, XdsListener& listener, Finding& finding) {
  if (target.cluster.empty()) return finding.object("its tcp_proxy names no cluster");
  const auto known = std::ranges::find(listener.targets, target.cluster, &XdsListener::Target::cluster);
  if (known == listener.targets.end()) return listener.targets.push_back(std::move(target));
  known->weight = std::min(known->weight + target.weight, kGreatestTargetWeight);
}

void read_tcp_proxy(std::string_view message, XdsListener& listener, Finding& finding) {
  ProtobufReader reader(message);
  while (const auto field = reader.next()) {
    if (field->is_bytes(2)) add_target({std::string(field->bytes), 1}, listener, finding);
    if (field->is_bytes(12)) finding.object("its tcp_proxy tunnels over HTTP");
    if (!field->is_bytes(10)) continue;
    ProtobufReader weighted(field->bytes);
    while (const auto one = weighted.next()) {
      if (one->is_bytes(1)) add_target(read_weighted(one->bytes, finding), listener, finding);
    }
    finding.is_faulty |= weighted.is_faulty();
  }
  finding.is_faulty |= reader.is_faulty();
  const auto has_weight = [](const XdsListener::Target& target) { return target.weight > 0; };
  if (std::ranges::none_of(listener.targets, has_weight)) {
    finding.object("its tcp_proxy names no cluster with a weight");
  }
}

/// google.protobuf.Any: its type and its content.
std::pair<std::string_view, std::string_view> read_any(std::string_view message, Finding& finding) {
  ProtobufReader reader(message);
  std::pair<std::string_view, std::string_view> any;
  while (const auto field = reader.next()) {
    if (field->is_bytes(1)) any.first = field->bytes;
    if (field->is_bytes(2)) any.second = field->bytes;
  }
  finding.is_faulty |= reader.is_faulty();
  return any;
}

/// Whether that filter is the tcp_proxy that ends the chain.
bool read_filter(std::string_view message, XdsListener& listener, Finding& finding) {
  ProtobufReader reader(message);
  std::string_view name, config;
  while (const auto field = reader.next()) {
    if (field->is_bytes(1)) name = field->bytes;
    if (field->is_bytes(4)) config = field->bytes;
  }
  finding.is_faulty |= reader.is_faulty();
  const auto [type, content] = read_any(config, finding);
  if (type == kTcpProxy) {
    read_tcp_proxy(content, listener, finding);
    return true;
  }
  if (std::ranges::find(kOnlyCount, name) == kOnlyCount.end()) {
    finding.object("its filter " + std::string(name.substr(0, 60)) + " is not tcp_proxy");
  }
  return false;
}

void read_filter_chain(std::string_view message, XdsListener& listener, Finding& finding) {
  ProtobufReader reader(message);
  bool has_proxy = false;
  while (const auto field = reader.next()) {
    if (field->is_bytes(1) && !field->bytes.empty()) finding.object("it chooses by what clients say");
    if (field->is_bytes(3)) has_proxy |= read_filter(field->bytes, listener, finding);
    if (field->is_bytes(6)) finding.object("it ends TLS");
  }
  finding.is_faulty |= reader.is_faulty();
  if (!has_proxy) finding.object("it has no tcp_proxy");
}

}  // namespace

Result<XdsListener> read_xds_listener(std::string_view message) {
  ProtobufReader reader(message);
  XdsListener listener;
  Finding finding;
  bool has_address = false;
  size_t chains = 0;
  while (const auto field = reader.next()) {
    if (field->is_bytes(1)) listener.name = field->bytes;
    if (field->is_bytes(2)) {
      has_address = true;
      read_address(field->bytes, listener, finding);
    }
    if (field->is_bytes(3) || field->is_bytes(25)) {  // filter_chains, default_filter_chain
      if (++chains > 1) finding.object("it chooses among several filter chains");
      read_filter_chain(field->bytes, listener, finding);
    }
    if (field->is_bytes(32)) finding.object("it chooses by what clients say");  // filter_chain_matcher
    if (field->is_bytes(33)) finding.object("it has several addresses");
  }
  if (reader.is_faulty() || finding.is_faulty) return fail("a listener that cannot be read");
  if (listener.name.empty()) return fail("a listener without a name");
  if (!has_address) finding.object("it has no address");
  if (chains == 0) finding.object("it has no tcp_proxy");
  listener.objection = std::move(finding.objection);
  return listener;
}

}  // namespace sluice::ctrl
