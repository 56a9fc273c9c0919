#include "ctrl/source/ads_state.h"

#include <algorithm>
#include <utility>

#include "ctrl/net/faults.h"

namespace sluice::ctrl {

std::vector<std::string> AdsState::want(const std::string& cluster) {
  wanted_.insert(cluster);
  std::vector<std::string> messages;
  if (is_open_) ask_for_endpoints(messages);
  return messages;
}

std::vector<std::string> AdsState::forget(const std::string& cluster) {
  wanted_.erase(cluster);
  std::vector<std::string> messages;
  if (is_open_) ask_for_endpoints(messages);
  return messages;
}

std::vector<std::string> AdsState::want_listeners() {
  wants_listeners_ = true;
  std::vector<std::string> messages;
  if (is_open_) ask_for_listeners(messages);
  return messages;
}

bool AdsState::is_known_type(std::string_view type) {
  return type == kClusterType || type == kAssignmentType || type == kListenerType;
}

const AdsState::Type& AdsState::type_named(std::string_view type) const {
  if (type == kListenerType) return listeners_type_;
  return type == kClusterType ? clusters_type_ : assignments_type_;
}
AdsState::Type& AdsState::type_named(std::string_view type) {
  return const_cast<Type&>(std::as_const(*this).type_named(type));
}

XdsRequest AdsState::request_for(std::string_view type) const {
  const Type& state = type_named(type);
  XdsRequest request{.type = type};
  request.nonce = state.nonce;
  if (is_delta_) return request;
  request.version = state.version;
  if (type == kAssignmentType && asked_) request.names.assign(asked_->begin(), asked_->end());
  return request;
}

/// All clusters, since a control plane may answer nobody who asks for some of them alone (go-control-plane).
std::vector<std::string> AdsState::open(bool fresh) {
  is_open_ = false;
  is_fresh_ = fresh;
  tells_versions_ = !fresh;
  asked_.reset();
  has_asked_listeners_ = false;
  clusters_type_ = assignments_type_ = listeners_type_ = {};
  XdsRequest request = request_for(kClusterType);
  request.node_id = node_.id;
  request.node_cluster = node_.cluster;
  if (is_delta_ && !fresh) request.versions = cluster_versions_;
  return {write_xds_request(request, is_delta_)};
}

AdsState::Taken AdsState::take(std::string_view message) {
  const auto response = read_xds_response(message, is_delta_);
  if (!response) throw PeerFault(response.error().message);
  Taken taken;
  if (!is_known_type(response->type)) return taken;  // not asked for
  taken.refusal = response->type == kClusterType    ? take_clusters(*response)
                  : response->type == kListenerType ? take_listeners(*response)
                                                    : take_assignments(*response);
  if (!taken.refusal.empty()) {
    taken.replies.push_back(refuse(*response, taken.refusal));
    return taken;
  }
  accept(*response, taken.replies);
  return taken;
}

/// The version that was taken last stays what is told.
std::string AdsState::refuse(const XdsResponse& response, const std::string& reason) {
  type_named(response.type).nonce = response.nonce;
  XdsRequest request = request_for(response.type);
  request.refusal = reason;
  return write_xds_request(request, is_delta_);
}

void AdsState::accept(const XdsResponse& response, std::vector<std::string>& replies) {
  type_named(response.type) = {response.version, response.nonce};
  replies.push_back(write_xds_request(request_for(response.type), is_delta_));
  if (response.type != kClusterType) return;
  is_open_ = true;
  ask_for_endpoints(replies);
  if (wants_listeners_) ask_for_listeners(replies);
}

std::string AdsState::take_clusters(const XdsResponse& response) {
  std::map<std::string, XdsCluster> told;
  std::map<std::string, std::string> versions;
  for (const XdsResource& resource : response.resources) {
    if (resource.type != kClusterType) return "a resource of another type than the response";
    auto cluster = read_xds_cluster(resource.content);
    if (!cluster) return cluster.error().message;
    const std::string name = cluster->name;
    if (!told.emplace(name, std::move(*cluster)).second) return "cluster " + name + " comes twice";
    versions[name] = resource.version;
  }
  has_clusters_ = true;
  if (!is_delta_ || is_fresh_) {
    // The first response to a fresh question is the whole.
    clusters_ = std::move(told);
    cluster_versions_ = std::move(versions);
    is_fresh_ = false;
  } else {
    for (const std::string& name : response.removed) {
      clusters_.erase(name);
      cluster_versions_.erase(name);
    }
    for (auto& [name, cluster] : told) clusters_[name] = std::move(cluster);
    for (auto& [name, version] : versions) cluster_versions_[name] = version;
  }
  // Endpoints go with their cluster.
  const std::set<std::string> names = endpoint_names();
  std::erase_if(assignments_, [&](const auto& entry) { return !names.contains(entry.first); });
  return {};
}

/// What is not told of stays, in either protocol: only the end of its cluster takes an assignment away.
std::string AdsState::take_assignments(const XdsResponse& response) {
  std::map<std::string, Assignment> told;
  for (const XdsResource& resource : response.resources) {
    if (resource.type != kAssignmentType) return "a resource of another type than the response";
    auto assignment = read_xds_assignment(resource.content);
    if (!assignment) return assignment.error().message;
    const std::string name = assignment->name;
    const std::string& version = is_delta_ ? resource.version : response.version;
    if (!told.emplace(name, Assignment{std::move(*assignment), version}).second) {
      return "the endpoints of " + name + " come twice";
    }
  }
  const std::set<std::string> names = endpoint_names();
  for (auto& [name, assignment] : told) {
    if (names.contains(name)) assignments_[name] = std::move(assignment);
  }
  return {};
}

std::string AdsState::take_listeners(const XdsResponse& response) {
  std::map<std::string, XdsListener> told;
  std::map<std::string, std::string> versions;
  for (const XdsResource& resource : response.resources) {
    if (resource.type != kListenerType) return "a resource of another type than the response";
    auto listener = read_xds_listener(resource.content);
    if (!listener) return listener.error().message;
    const std::string name = listener->name;
    if (!told.emplace(name, std::move(*listener)).second) return "listener " + name + " comes twice";
    versions[name] = resource.version;
  }
  has_listeners_ = true;
  if (!is_delta_ || are_listeners_fresh_) {
    listeners_ = std::move(told);
    listener_versions_ = std::move(versions);
    are_listeners_fresh_ = false;
    return {};
  }
  for (const std::string& name : response.removed) {
    listeners_.erase(name);
    listener_versions_.erase(name);
  }
  for (auto& [name, listener] : told) listeners_[name] = std::move(listener);
  for (auto& [name, version] : versions) listener_versions_[name] = version;
  return {};
}

/// All listeners, after the first answer to clusters: as Envoy asks, so that each is told after what it
/// names.
void AdsState::ask_for_listeners(std::vector<std::string>& messages) {
  if (has_asked_listeners_) return;
  has_asked_listeners_ = true;
  are_listeners_fresh_ = !tells_versions_ || !has_listeners_;
  XdsRequest request = request_for(kListenerType);
  if (is_delta_ && !are_listeners_fresh_) request.versions = listener_versions_;
  messages.push_back(write_xds_request(request, is_delta_));
}

/// As with clusters, of all where the state of the world is told, so that every control plane answers; with
/// the incremental protocol of what is wanted.
std::set<std::string> AdsState::endpoint_names() const {
  std::set<std::string> names;
  for (const auto& [name, cluster] : clusters_) {
    if (!cluster.eds_name.empty() && (!is_delta_ || wanted_.contains(name))) names.insert(cluster.eds_name);
  }
  return names;
}

void AdsState::ask_for_endpoints(std::vector<std::string>& messages) {
  std::set<std::string> names = endpoint_names();
  if (asked_ ? *asked_ == names : names.empty()) return;
  XdsRequest request = request_for(kAssignmentType);
  const std::set<std::string> before = asked_.value_or(std::set<std::string>());
  if (is_delta_) {
    std::ranges::set_difference(names, before, std::back_inserter(request.subscribe));
    std::ranges::set_difference(before, names, std::back_inserter(request.unsubscribe));
    for (const std::string& name : request.subscribe) {
      if (asked_ || !tells_versions_) break;
      const auto known = assignments_.find(name);
      if (known != assignments_.end()) request.versions[name] = known->second.version;
    }
    request.nonce.clear();  // it is no answer
  } else {
    request.names.assign(names.begin(), names.end());
  }
  asked_ = std::move(names);
  messages.push_back(write_xds_request(request, is_delta_));
}

std::optional<AdsState::Known> AdsState::of(const std::string& name) const {
  if (!has_clusters_) return std::nullopt;
  const auto cluster = clusters_.find(name);
  if (cluster == clusters_.end()) return Known{};
  if (cluster->second.eds_name.empty()) return Known{&cluster->second.inlined, clusters_type_.version};
  const auto assignment = assignments_.find(cluster->second.eds_name);
  if (assignment == assignments_.end()) return std::nullopt;
  return Known{&assignment->second.content, assignment->second.version};
}

}  // namespace sluice::ctrl
