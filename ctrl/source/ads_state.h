// What a client of aggregated discovery (xDS) knows, and what it says next: versions, nonces, subscriptions,
// and what is refused. Of each response all counts, or nothing. Pure; outlives the streams of which it is
// told.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "ctrl/wire/xds_listener.h"
#include "ctrl/wire/xds_message.h"

namespace sluice::ctrl {

class AdsState {
 public:
  struct Node {
    std::string id, cluster;
  };

  AdsState(Node node, bool is_delta) : node_(std::move(node)), is_delta_(is_delta) {}

  // Which clusters' endpoints are wanted. What is to be sent for that on the stream, if one is open.
  std::vector<std::string> want(const std::string& cluster);
  std::vector<std::string> forget(const std::string& cluster);
  // Whether listeners are wanted too: all that there are.
  std::vector<std::string> want_listeners();
  void forget_listeners() { wants_listeners_ = false; }

  /// A stream has been opened: what is to be sent first. Without `fresh` an incremental server is told what
  /// is known, so that it sends what differs.
  std::vector<std::string> open(bool fresh);

  struct Taken {
    std::vector<std::string> replies = {};
    std::string refusal = {};  ///< why the response was refused; empty: it was taken
  };
  /// Throws PeerFault where the bytes are no response.
  Taken take(std::string_view message);

  /// Nothing is known of a cluster until it, and its endpoints, have come. One that is not there is known,
  /// and has none.
  struct Known {
    const XdsAssignment* assignment = nullptr;  ///< null: there is no such cluster
    std::string version = {};
  };
  std::optional<Known> of(const std::string& cluster) const;
  /// By name; null until a response has told of them.
  const std::map<std::string, XdsListener>* listeners() const {
    return has_listeners_ ? &listeners_ : nullptr;
  }
  const std::string& listeners_version() const { return listeners_type_.version; }

 private:
  struct Type {
    std::string version;  ///< of the last response that was taken
    std::string nonce;    ///< of the last one that came
  };
  struct Assignment {
    XdsAssignment content;
    std::string version;
  };

  static bool is_known_type(std::string_view type);
  const Type& type_named(std::string_view type) const;
  Type& type_named(std::string_view type);
  XdsRequest request_for(std::string_view type) const;
  std::string refuse(const XdsResponse& response, const std::string& reason);
  void accept(const XdsResponse& response, std::vector<std::string>& replies);
  std::string take_clusters(const XdsResponse& response);
  std::string take_assignments(const XdsResponse& response);
  std::string take_listeners(const XdsResponse& response);
  std::set<std::string> endpoint_names() const;
  void ask_for_endpoints(std::vector<std::string>& messages);
  void ask_for_listeners(std::vector<std::string>& messages);

  Node node_;
  bool is_delta_;
  std::set<std::string> wanted_;
  bool wants_listeners_ = false;
  Type clusters_type_, assignments_type_, listeners_type_;
  bool has_clusters_ = false;    ///< a response has told of them
  bool is_open_ = false;         ///< and the stream has told of them
  bool is_fresh_ = true;         ///< the next response tells of all clusters
  bool tells_versions_ = false;  ///< the first question for endpoints says what is known
  std::map<std::string, XdsCluster> clusters_;
  std::map<std::string, std::string> cluster_versions_;  ///< of incremental discovery
  std::map<std::string, Assignment> assignments_;        ///< by what they are asked for
  std::optional<std::set<std::string>> asked_;           ///< on the stream; nothing: not yet
  bool has_asked_listeners_ = false;                     ///< on the stream
  bool has_listeners_ = false;                           ///< a response has told of them
  bool are_listeners_fresh_ = true;                      ///< the next response tells of all of them
  std::map<std::string, XdsListener> listeners_;
  std::map<std::string, std::string> listener_versions_;  ///< of incremental discovery
};

}  // namespace sluice::ctrl
