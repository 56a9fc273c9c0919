// What captures of packets need of the gateway.
#include "ctrl/store/gateway_parts.h"

namespace sluice::ctrl {

Outcome<lb::ServiceId> Gateway::service_id(const std::string& service) const {
  if (const auto id = parts_->service_number(service)) return *id;
  return refuse(Refusal::Kind::kNotFound, "there is no service named \"" + service + "\"");
}

std::optional<Gateway::FlowNames> Gateway::names_at_once(lb::ServiceId service, lb::BackendId backend) const {
  const std::unique_lock lock(parts_->state, std::try_to_lock);
  if (!lock) return std::nullopt;
  FlowNames names;
  if (const auto* const identity = parts_->ids.service_at(service)) names.service = identity->name;
  if (const auto* const key = parts_->ids.backend_at(backend)) names.backend = *key;
  return names;
}

void Gateway::capture(std::shared_ptr<const dataplane::Captures> captures) {
  parts_->data_plane->capture(std::move(captures));
}

}  // namespace sluice::ctrl
