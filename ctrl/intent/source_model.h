// What the configuration says of sources, from which pools take backends (`sources`), and of what a pool
// takes from one (`discover`). Values only, part of a Model.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sluice::ctrl {

/// A secret is never here, only the path of the file that has it: it is read when it is used, since it
/// rotates.
struct SourceTlsModel {
  bool enabled = false;     ///< `tls` is there; an https endpoint means the same with all at its default
  std::string ca;           ///< file of the authorities; empty: the system's
  std::string certificate;  ///< file of the client's own, and its key; both or none
  std::string key;
  std::string server_name;  ///< expected in the server's certificate; empty: the endpoint's host
  bool operator==(const SourceTlsModel&) const = default;
};

enum class OnEmpty : uint8_t { kApply, kHold };

struct SourceModel {
  std::string name;
  std::string type;  ///< a row of source_types()

  /// URLs, or HOST:PORT where the protocol is not HTTP; of dns its `servers`, empty: the system's.
  std::vector<std::string> endpoints;
  SourceTlsModel tls;
  std::string username;
  std::string password_file;
  std::string token_file;
  std::string datacenter;                             ///< of consul; empty: the agent's own
  std::string node_id, node_cluster;                  ///< of xds
  bool delta = false;                                 ///< of xds: incremental
  std::chrono::milliseconds session_timeout{10'000};  ///< of zookeeper
  std::chrono::milliseconds min_ttl{1'000};           ///< of dns
  std::chrono::milliseconds max_ttl{300'000};

  // The failure policy; whoever implements Source needs `resync` alone.
  std::optional<std::chrono::milliseconds>
      hold_for;  ///< after so much outage the pool is empty; nothing: never
  OnEmpty on_empty = OnEmpty::kApply;
  std::chrono::milliseconds resync{60'000};  ///< how often to list anew
  std::string resolver;                      ///< source of type dns that resolves names; empty: the system's
  bool operator==(const SourceModel&) const = default;
};

/// What becomes of a backend that its source no longer names.
enum class Withdraw : uint8_t { kDrain, kRemove };

/// Which keys there are depends on the source's type; the others are empty.
struct DiscoverModel {
  std::string source;
  std::string name;             ///< of dns
  bool is_srv = false;          ///< of dns: `record: srv`; else `address`
  std::string port;             ///< of dns a number; of kubernetes a number or a name, empty: the only one
  std::string prefix;           ///< of etcd
  std::string path;             ///< of zookeeper and file
  std::string service;          ///< of consul, kubernetes and registry
  std::string tag;              ///< of consul; empty: any
  std::string name_space;       ///< of kubernetes
  std::string cluster;          ///< of xds
  std::optional<double> guard;  ///< an update that takes away more than this share waits for release
  Withdraw withdraw = Withdraw::kDrain;
  bool operator==(const DiscoverModel&) const = default;
};

}  // namespace sluice::ctrl
