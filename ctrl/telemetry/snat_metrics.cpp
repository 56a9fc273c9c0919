#include "ctrl/telemetry/snat_metrics.h"

#include <algorithm>
#include <memory>
#include <string_view>
#include <unordered_set>

#include "ctrl/intent/config_values.h"
#include "ctrl/intent/service_pools.h"
#include "ctrl/telemetry/metric_family.h"
#include "dataplane/roles/dataplane.h"
#include "lb/port_use.h"

namespace sluice::ctrl {
namespace {

/// The pools behind services of full-nat, found out with the first that is asked for: that is on a thread
/// that has the time.
class FullNatPools {
 public:
  explicit FullNatPools(std::shared_ptr<const Model> model) : model_(std::move(model)) {}
  const Model& model() const { return *model_; }
  bool contains(const PoolModel& pool) {
    if (!is_known_) find();
    return pools_.contains(pool.name);
  }

 private:
  void find() {
    is_known_ = true;
    for (const auto& [name, service] : model_->services) {
      if (service->forward != lb::ForwardMode::kFullNat) continue;
      for (const std::string_view pool : pools_of(*service)) pools_.insert(pool);
    }
  }

  std::shared_ptr<const Model> model_;
  std::unordered_set<std::string_view> pools_;  ///< the model's strings
  bool is_known_ = false;
};

}  // namespace

void add_snat_series(std::vector<MetricSource>& sources, const Gateway& gateway) {
  const auto model = gateway.model();
  const std::shared_ptr<const Named<PoolModel>> pools(model, &model->pools);
  sources.push_back(over<PoolModel>(
      metric("sluice_backend_snat_ports_capacity"), pools,
      [full_nat = std::make_shared<FullNatPools>(model)](const PoolModel& pool, auto add) {
        if (!full_nat->contains(pool)) return;
        for (const auto& backend : pool.backends) {
          const auto addresses = std::ranges::count_if(full_nat->model().snat, [&](const IpAddress& address) {
            return address.is_v4() == backend.address.is_v4();
          });
          add(static_cast<double>(addresses) * lb::PortSlice().size(),
              {{"pool", pool.name}, {"backend", endpoint_text(backend.address, backend.port)}});
        }
      }));
}

}  // namespace sluice::ctrl
