// Entries of registries as they are written by people and programs, and the snapshot that they come to. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "common/result.h"
#include "ctrl/source/source.h"

namespace sluice::ctrl {

/// `10.20.0.11:8080`, `[2001:db8::1]:8080` or `web-1.example.test:8080`. Errors are for people: "no port".
Result<Instance> read_host_port(std::string_view text);
/// An address or a name of a host into `instance`.
Result<void> read_host(std::string_view text, Instance& instance);
/// 1 to 65535, as a number or its digits.
Result<uint16_t> read_port(const nlohmann::json& value);
/// 0 to 65535, as a number or its digits.
Result<uint32_t> read_weight(const nlohmann::json& value);
/// A value of etcd or ZooKeeper that is no JSON object: `host:port`.
bool looks_like_json(std::string_view text);

/// Puts together a snapshot: counts what cannot be read, and names so many of it as may be named.
class SnapshotBuilder {
 public:
  void add(Instance instance) { snapshot_.instances.push_back(std::move(instance)); }
  void offer(OfferedService service) { snapshot_.services.push_back(std::move(service)); }
  /// `entry` as the registry calls it.
  void leave_out(std::string_view entry, std::string_view reason);
  void leave_out(const std::string& entry_and_reason);
  /// Throws PeerFault where there are more than kMostInstances, or kMostOfferedServices.
  Snapshot finish(std::string version);

 private:
  Snapshot snapshot_;
};

/// "services/web/7: no port", at most 200 bytes of printable ASCII.
std::string unreadable_entry(std::string_view entry, std::string_view reason);

}  // namespace sluice::ctrl
