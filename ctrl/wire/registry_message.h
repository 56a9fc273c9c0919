// The messages of sluice.registry.v1 (packaging/proto/sluice_registry.proto): what they mean, and their
// bytes. Pure. Limits and defaults are not of this page: ctrl/registry/registry.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace sluice::ctrl {

/// What names an instance.
struct InstanceKey {
  std::string service, instance;
  auto operator<=>(const InstanceKey&) const = default;
};

/// What an instance says of itself.
struct ServiceInstance {
  InstanceKey key;
  std::string address;
  uint32_t port = 0;
  uint32_t weight = 1;
  std::map<std::string, std::string> metadata;
  std::chrono::milliseconds ttl{0};  ///< 0: none was given
  bool operator==(const ServiceInstance&) const = default;
};
using ServiceInstances = std::vector<std::shared_ptr<const ServiceInstance>>;

/// A message of Watch.
struct WatchUpdate {
  uint64_t index = 0;
  bool whole = false;
  ServiceInstances instances = {};
  std::vector<InstanceKey> gone = {};
  bool more = false;
};

/// An Error where the bytes are no such message, or a duration in it is none.
Result<ServiceInstance> read_service_instance(std::string_view message);
/// The text of field 1: all that RenewRequest, DeregisterRequest, ListRequest and WatchRequest have.
Result<std::string> read_registry_request(std::string_view message);

std::string write_service_instance(const ServiceInstance& instance);
std::string write_lease(std::string_view id, std::chrono::milliseconds ttl);
std::string write_list_response(uint64_t index, const ServiceInstances& instances);
std::string write_watch_response(const WatchUpdate& update);

}  // namespace sluice::ctrl
