// What records of flows need of the gateway: their way from the workers, and names.
#include "ctrl/store/gateway_parts.h"

namespace sluice::ctrl {

Gateway::RecordNames Gateway::record_names(lb::ServiceId service, lb::BackendId backend) const {
  const std::lock_guard lock(parts_->state);
  return {parts_->ids.last_service_at(service).name, parts_->ids.last_backend_at(backend)};
}

std::shared_ptr<dataplane::FlowLanes> Gateway::flow_lanes() const {
  const std::lock_guard lock(parts_->instant);
  return parts_->flow_lanes;
}

std::shared_ptr<const dataplane::FlowReading> Gateway::Parts::flow_reading_for(const Model& next) {
  const auto share = [](double fraction) { return lb::FlowShare::of(fraction); };
  const lb::FlowShares shares{share(next.flow_log ? next.flow_log->sample : 0),
                              share(next.tracing ? next.tracing->flows : 0)};
  if (shares == lb::FlowShares{}) return nullptr;
  if (tables && tables->flow_reading && tables->flow_reading->shares == shares) return tables->flow_reading;
  if (!flow_lanes) {
    auto lanes = std::make_shared<dataplane::FlowLanes>(static_cast<unsigned>(data_plane->workers().size()));
    const std::lock_guard lock(instant);
    flow_lanes = std::move(lanes);
  }
  return std::make_shared<const dataplane::FlowReading>(dataplane::FlowReading{flow_lanes, shares});
}

}  // namespace sluice::ctrl
