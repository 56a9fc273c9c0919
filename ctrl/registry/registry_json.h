// The messages of registration as JSON: fields as in packaging/proto/sluice_registry.proto, `ttl` as "30s".
// Pure.
#pragma once

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "common/result.h"
#include "ctrl/wire/registry_message.h"

namespace sluice::ctrl {

nlohmann::json to_json(const ServiceInstance& instance);
/// An Error names the field that is wrong, or not known.
Result<ServiceInstance> service_instance_of(const nlohmann::json& object);
/// The body of a request; empty: nothing but the name.
Result<ServiceInstance> read_service_instance_json(std::string_view text);

std::string lease_json(std::string_view id, std::chrono::milliseconds ttl);
std::string list_json(uint64_t index, const ServiceInstances& instances);
/// `code` as gRPC names it.
std::string error_json(std::string_view code, std::string_view message);

}  // namespace sluice::ctrl
