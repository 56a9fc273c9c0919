#include "ctrl/telemetry/handshake_metrics.h"

#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "ctrl/intent/config_values.h"
#include "ctrl/intent/service_pools.h"
#include "ctrl/resolve/panic.h"
#include "ctrl/telemetry/ledger_metrics.h"
#include "ctrl/telemetry/metric_family.h"
#include "dataplane/roles/dataplane.h"
#include "lb/handshake_watch.h"
#include "lb/pool_table.h"

namespace sluice::ctrl {
namespace {

bool has_handshakes(const ServiceModel& service) {
  return lb::is_nat(service.forward) && service.protocol == IpProtocol::kTcp;
}

/// Calls visit(HandshakeWatch) for every worker that has flows.
template <typename Visit>
void for_each_watch(const Gateway& gateway, Visit&& visit) {
  const dataplane::DataPlane& data_plane = gateway.data_plane();
  for (const auto& worker : data_plane.workers()) {
    if (worker.balances) visit(data_plane.handshakes(worker.index));
  }
}

/// By pool, a service whose handshakes its backends answer: found out with the first pool that is asked for.
class AnsweringPools {
 public:
  explicit AnsweringPools(std::shared_ptr<const Model> model) : model_(std::move(model)) {}
  const std::string* service_of(const std::string& pool) {
    if (!is_known_) find();
    const auto found = services_.find(pool);
    return found == services_.end() ? nullptr : found->second;
  }

 private:
  void find() {
    is_known_ = true;
    for (const auto& [name, service] : model_->services) {
      if (!has_handshakes(*service)) continue;
      for (const std::string_view pool : pools_of(*service)) services_.emplace(pool, &service->name);
    }
  }

  std::shared_ptr<const Model> model_;
  std::unordered_map<std::string_view, const std::string*> services_;  ///< the model's strings
  bool is_known_ = false;
};

/// In nanoseconds, the mean of the workers that know.
std::optional<double> answer_time(const Gateway& gateway, lb::BackendId id) {
  double sum = 0;
  unsigned workers = 0;
  for_each_watch(gateway, [&](const lb::HandshakeWatch& watch) {
    const lb::AnswerTime& time = watch.answer_time_of(id);
    if (!time.handshake.is_known()) return;
    sum += static_cast<double>(time.handshake.nanoseconds());
    ++workers;
  });
  return workers == 0 ? std::nullopt : std::optional(sum / workers);
}

prometheus::ClientMetric service_sample(const Gateway& gateway, const std::string& service,
                                        lb::ServiceId id) {
  HistogramReading reading{.bounds = lb::HandshakeTimes::kBounds};
  for_each_watch(gateway, [&](const lb::HandshakeWatch& watch) { watch.times_of(id).add_to(reading); });
  auto sample = histogram_sample(reading, kNanosecondsPerSecond);
  sample.label = {{"service", service}};
  return sample;
}

}  // namespace

void add_handshake_series(std::vector<MetricSource>& sources, const Gateway& gateway) {
  const auto model = gateway.model();
  sources.push_back(family(metric("sluice_service_handshake_seconds"),
                           [&gateway, model, position = model->services.begin()](auto& samples) mutable {
                             constexpr size_t kSamplesAtOnce = 200;
                             for (; position != model->services.end() && samples.size() < kSamplesAtOnce;
                                  ++position) {
                               const auto& [name, service] = *position;
                               if (!has_handshakes(*service)) continue;
                               const auto id = gateway.service_id(name);
                               if (id) samples.push_back(service_sample(gateway, name, *id));
                             }
                             return position != model->services.end();
                           }));
  const std::shared_ptr<const Named<PoolModel>> pools(model, &model->pools);
  sources.push_back(over<PoolModel>(
      metric("sluice_backend_handshake_seconds"), pools,
      [&gateway, answering = std::make_shared<AnsweringPools>(model)](const PoolModel& pool, auto add) {
        const std::string* const service = answering->service_of(pool.name);
        if (!service) return;
        const auto table = gateway.table_of(*service, pool.name);
        if (!table) return;  // it has changed since the scrape began
        for (const lb::WeightedEndpoint& candidate : (*table)->candidates()) {
          const auto time = answer_time(gateway, candidate.id);
          if (!time) continue;
          const auto& [address, port, protocol] = candidate.endpoint;
          add(*time / kNanosecondsPerSecond,
              {{"pool", pool.name}, {"backend", endpoint_text(address, port.host())}});
        }
      }));
  const auto effective = gateway.effective();
  const std::shared_ptr<const Named<EffectivePool>> effective_pools(effective, &effective->pools);
  sources.push_back(over<EffectivePool>(metric("sluice_pool_panic"), effective_pools,
                                        [](const EffectivePool& pool, auto add) {
                                          const PoolModel& intent = *pool.intent;
                                          if (!intent.fail_open && !intent.panic) return;
                                          add(panic_of(pool).down > 0 ? 1 : 0, {{"pool", intent.name}});
                                        }));
}

}  // namespace sluice::ctrl
