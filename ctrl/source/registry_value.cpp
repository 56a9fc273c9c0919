#include "ctrl/source/registry_value.h"

#include <array>

#include "ctrl/source/entry.h"
#include "ctrl/wire/bounded_json.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

constexpr size_t kMostValueBytes = 65536;

Result<json> read_object(std::string_view value) {
  if (value.size() > kMostValueBytes) return fail("longer than 64 KiB");
  auto object = parse_bounded_json(value);
  if (!object) return tl::unexpected(object.error());
  if (!object->is_object()) return fail("it is no JSON object");
  return object;
}

/// The first weight that is there.
Result<void> take_weight(std::initializer_list<const json*> places, Instance& instance) {
  for (const json* place : places) {
    const json& weight = member(*place, "weight");
    if (weight.is_null()) continue;
    const auto number = read_weight(weight);
    if (!number) return tl::unexpected(number.error());
    instance.weight = *number;
    return {};
  }
  return {};
}

Result<Instance> read_endpoint(const json& host, const json& port) {
  if (!host.is_string()) return fail("no address");
  if (port.is_null()) return read_host_port(text_in(host));
  Instance instance;
  if (auto read = read_host(text_in(host), instance); !read) return tl::unexpected(read.error());
  const auto number = read_port(port);
  if (!number) return tl::unexpected(number.error());
  instance.port = *number;
  return instance;
}

}  // namespace

Result<Instance> read_etcd_value(std::string_view value) {
  if (!looks_like_json(value)) return read_host_port(value.substr(0, kMostValueBytes));
  const auto object = read_object(value);
  if (!object) return tl::unexpected(object.error());
  Result<Instance> instance = fail("no address");
  if (const json& address = member(*object, "Addr"); !address.is_null()) {
    if (integer_in(member(*object, "Op")).value_or(0) != 0) return fail("its Op is not 0");
    instance = read_host_port(text_in(address));
  } else {
    instance = read_endpoint(member(*object, "address"), member(*object, "port"));
  }
  if (!instance) return instance;
  if (auto read = take_weight({&*object, &member(*object, "Metadata")}, *instance); !read) {
    return tl::unexpected(read.error());
  }
  return instance;
}

Result<std::optional<Instance>> read_zookeeper_value(std::string_view value) {
  Result<Instance> instance = fail("no address");
  if (!looks_like_json(value)) {
    instance = read_host_port(value.substr(0, kMostValueBytes));
    if (!instance) return tl::unexpected(instance.error());
    return *instance;
  }
  const auto object = read_object(value);
  if (!object) return tl::unexpected(object.error());
  if (const json& endpoint = member(*object, "serviceEndpoint"); !endpoint.is_null()) {
    const json& status = member(*object, "status");
    if (!status.is_null() && text_in(status) != "ALIVE") return std::optional<Instance>();
    instance = read_endpoint(member(endpoint, "host"), member(endpoint, "port"));
  } else {
    if (!is_true(member(*object, "enabled"), true)) return std::optional<Instance>();  // of Curator
    instance = read_endpoint(member(*object, "address"), member(*object, "port"));
  }
  if (!instance) return tl::unexpected(instance.error());
  const auto read =
      take_weight({&*object, &member(*object, "payload"), &member(*object, "metadata")}, *instance);
  if (!read) return tl::unexpected(read.error());
  return *instance;
}

}  // namespace sluice::ctrl
