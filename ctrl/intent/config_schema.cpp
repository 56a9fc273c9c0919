#include "ctrl/intent/config_schema.h"

#include <algorithm>
#include <utility>

#include "ctrl/intent/config_checks.h"
#include "ctrl/intent/config_decode.h"
#include "ctrl/intent/config_inspections.h"
#include "ctrl/intent/config_ledger.h"
#include "ctrl/intent/config_rules.h"
#include "ctrl/intent/config_sources.h"
#include "ctrl/intent/config_tunnels.h"
#include "ctrl/intent/json_schema.h"

namespace sluice::ctrl {
namespace {

constexpr std::string_view kSchemaText =
#include "config_schema_text.inc"
    ;

template <typename T, typename Target>
void move_values(std::vector<Listed<T>>& from, Target& target) {
  target.reserve(from.size());
  for (auto& entry : from) target.push_back(std::move(entry.value));
}

Model model_of(Draft draft) {
  Model model = std::move(draft.model);
  move_values(draft.routes, model.routes);
  move_values(draft.neighbors, model.neighbors);
  move_values(draft.snat, model.snat);
  move_values(draft.sources, model.sources);
  if (model.ledger) move_values(draft.ingress, model.ledger->ingress);
  for (auto& entry : draft.sets) {
    auto set = std::make_shared<const SetModel>(std::move(entry.value));
    model.sets.set(set->name, set);
  }
  for (auto& entry : draft.inspections) {
    auto inspection = std::make_shared<const InspectionModel>(std::move(entry.value));
    model.inspections.set(inspection->name, inspection);
  }
  for (auto& entry : draft.pools) {
    auto pool = std::make_shared<const PoolModel>(std::move(entry.value.pool));
    model.pools.set(pool->name, pool);
  }
  for (auto& entry : draft.services) {
    auto service = std::make_shared<const ServiceModel>(std::move(entry.value.service));
    model.services.set(service->name, service);
  }
  return model;
}

Refusal invalid(std::vector<Fault> faults) {
  Refusal refusal;
  refusal.kind = Refusal::Kind::kInvalid;
  refusal.message = faults.size() == 1 ? "the configuration has a fault"
                                       : "the configuration has " + std::to_string(faults.size()) + " faults";
  if (faults.size() >= kMostFaults) refusal.message += ", or more";
  refusal.faults = std::move(faults);
  return refusal;
}

}  // namespace

std::string_view config_schema() {
  return kSchemaText;
}

Outcome<Model> parse_config(const nlohmann::json& config, NamedFiles files) {
  static const JsonSchema schema(nlohmann::json::parse(kSchemaText));
  Cursor::Faults faults(schema.check(config));
  const Cursor root(config, faults);
  Draft draft = decode(root);
  draft.reads_files = files == NamedFiles::kRead;
  check_network(draft, faults);
  check_sources(root, draft, faults);
  check_sets(root, draft, faults);
  check_inspections(root, draft, faults);
  check_pools(draft, faults);
  check_services(draft, faults);
  check_tunnels(draft, faults);
  check_ledger(draft, faults);
  if (!faults.none()) return tl::unexpected(invalid(faults.take()));
  return model_of(std::move(draft));
}

}  // namespace sluice::ctrl
