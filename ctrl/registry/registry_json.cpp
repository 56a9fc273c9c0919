#include "ctrl/registry/registry_json.h"

#include <nlohmann/json.hpp>

#include "ctrl/intent/config_values.h"
#include "ctrl/wire/bounded_json.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

std::string written(const json& object) {
  return object.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

/// One member of an instance; an Error begins with its name.
Result<void> read_member(const std::string& key, const json& value, ServiceInstance& instance) {
  const auto text = [&](std::string& target) -> Result<void> {
    if (!value.is_string()) return fail(key + ": is no text");
    target = value.get<std::string>();
    return {};
  };
  const auto number = [&](uint32_t& target) -> Result<void> {
    const auto read = value.is_number_integer() ? integer_in(value) : std::nullopt;
    if (!read || *read < 0 || *read > 65535) return fail(key + ": is not 0 to 65535");
    target = static_cast<uint32_t>(*read);
    return {};
  };
  if (key == "service") return text(instance.key.service);
  if (key == "instance") return text(instance.key.instance);
  if (key == "address") return text(instance.address);
  if (key == "port") return number(instance.port);
  if (key == "weight") return number(instance.weight);
  if (key == "ttl") {
    const auto ttl = value.is_string()
                         ? parse_duration(value.get<std::string>())
                         : Result<std::chrono::milliseconds>(fail("is no text, such as \"30s\""));
    if (!ttl) return fail("ttl: " + ttl.error().message);
    if (ttl->count() == 0) return fail("ttl: is not 1s to 24h");
    instance.ttl = *ttl;
    return {};
  }
  if (key != "metadata") return fail(key.substr(0, 64) + ": there is no such field");
  if (!value.is_object()) return fail("metadata: is no object");
  for (const auto& [name, entry] : value.items()) {
    if (!entry.is_string()) return fail("metadata: has a value that is no text");
    instance.metadata[name] = entry.get<std::string>();
  }
  return {};
}

}  // namespace

json to_json(const ServiceInstance& instance) {
  return {{"service", instance.key.service},     {"instance", instance.key.instance},
          {"address", instance.address},         {"port", instance.port},
          {"weight", instance.weight},           {"metadata", instance.metadata},
          {"ttl", format_duration(instance.ttl)}};
}

Result<ServiceInstance> service_instance_of(const json& object) {
  if (!object.is_object()) return fail("the body is no JSON object");
  ServiceInstance instance;
  for (const auto& [key, value] : object.items()) {
    if (auto read = read_member(key, value, instance); !read) return tl::unexpected(read.error());
  }
  return instance;
}

Result<ServiceInstance> read_service_instance_json(std::string_view text) {
  const auto object = parse_bounded_json(text);
  if (!object) return fail("the body is no JSON: " + object.error().message);
  return service_instance_of(*object);
}

std::string lease_json(std::string_view id, std::chrono::milliseconds ttl) {
  return written({{"id", id}, {"ttl", format_duration(ttl)}});
}

std::string list_json(uint64_t index, const ServiceInstances& instances) {
  json list = json::array();
  for (const auto& instance : instances) list.push_back(to_json(*instance));
  return written({{"index", index}, {"instances", std::move(list)}});
}

std::string error_json(std::string_view code, std::string_view message) {
  return written({{"code", code}, {"message", message}});
}

}  // namespace sluice::ctrl
