#include "ctrl/rpc/methods/words.h"

#include "ctrl/intent/config_values.h"

namespace sluice::ctrl {

nlohmann::json unix_seconds(std::optional<std::chrono::system_clock::time_point> time) {
  if (!time) return nullptr;
  const auto microseconds = std::chrono::duration_cast<std::chrono::microseconds>(time->time_since_epoch());
  return static_cast<double>(microseconds.count()) / 1e6;
}

nlohmann::json backend_object(const BackendKey& key) {
  return {{"pool", key.pool}, {"address", key.address.to_string()}, {"port", key.port}};
}

std::string backend_text(const BackendKey& key) {
  return key.pool + " " + endpoint_text(key.address, key.port);
}

BackendKey backend_key(const nlohmann::json& params) {
  return {params["pool"].get<std::string>(),
          IpAddress::parse(params["address"].get_ref<const std::string&>()).value(),
          params["port"].get<uint16_t>()};
}

nlohmann::json apply_object(const ApplyResult& result) {
  nlohmann::json object = {{"generation", result.generation},
                           {"changed", result.changed},
                           {"disruption", result.disruption},
                           {"warnings", nlohmann::json::array()}};
  if (result.flows_cut) object["flows_cut"] = *result.flows_cut;
  if (result.confirm_by) object["confirm_by"] = unix_seconds(result.confirm_by);
  for (const Fault& warning : result.warnings) {
    object["warnings"].push_back({{"pointer", warning.pointer}, {"message", warning.message}});
  }
  return object;
}

}  // namespace sluice::ctrl
