// What the parts of one compilation share; for compile*.cpp alone.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "ctrl/intent/fault.h"
#include "ctrl/resolve/compile.h"
#include "ctrl/resolve/effective.h"
#include "ctrl/resolve/id_registry.h"
#include "dataplane/tables/tables.h"

namespace sluice::ctrl {

inline constexpr IpProtocol kProtocols[] = {IpProtocol::kTcp, IpProtocol::kUdp};

/// Each part fills in some of `tables`, or shares that of `previous`.
struct CompileStep {
  const CompileInput& in;
  IdRegistry& ids;
  const Model& model;
  const Model* const before;  ///< null: the first compilation
  const dataplane::Tables* const previous;
  dataplane::Tables& tables;
  bool routes_changed = true;  ///< or where tunnels lead
  bool services_changed = true;
  bool snat_indexes_hold = true;
  bool hops_anew = true;  ///< the next hops and all indexes into them
  /// A pool that needs a look, with the numbers of its backends.
  struct Pool {
    const EffectivePool* pool;
    std::vector<lb::BackendId> ids = {};
  };
  std::vector<Pool> changed_pools = {};
  std::unordered_set<std::string_view> flushed_pools = {};
  std::vector<lb::BackendId> added = {};
};

/// Workers keep an array for each kind of number, so there is an end to them.
Refusal out_of_numbers(const char* what, size_t limit);

/// Retires the numbers of backends and pool tables that are gone, gives numbers to those that are new, and
/// builds their tables.
std::optional<Refusal> compile_pools(CompileStep& step);

/// The same for services. After the pools.
/// `moved`: services that are what they were, and have another table.
std::optional<Refusal> compile_services(CompileStep& step, std::vector<lb::ServiceId>& moved);

/// Their rules. After the services.
void compile_rules(CompileStep& step);

/// Their inspections. After the services.
void compile_inspections(CompileStep& step);

}  // namespace sluice::ctrl
