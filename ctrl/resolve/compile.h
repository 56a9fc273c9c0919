// From the desired state to what workers read: Model and run-time states in, Tables out. Builds only the
// pool tables that changed and shares the rest with the generation before. Pure but for the id registry.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ctrl/intent/fault.h"
#include "ctrl/intent/model.h"
#include "ctrl/resolve/id_registry.h"
#include "dataplane/roles/dataplane.h"
#include "dataplane/tables/tables.h"

namespace sluice::ctrl {

/// What is known of a backend beyond its configuration.
struct BackendStatus {
  AdminState admin = AdminState::kActive;
  bool healthy = true;
  std::string health_reason = {};  ///< what the last check found, for people; empty: none has ended
  std::chrono::system_clock::time_point since = {};  ///< when the state last changed
  bool check_known = true;   ///< false: the last check could not be made, so `healthy` is older
  bool has_weight = true;    ///< above 0
  uint64_t transitions = 0;  ///< of the effective state, since the backend is known
};

struct CompileInput {
  const Model& model;
  const std::map<BackendKey, BackendStatus>& status;  ///< absent: active and healthy
  const std::vector<dataplane::PortInfo>& ports;
  uint64_t generation;
  /// What was compiled last, to share what did not change; null at the first time.
  const Model* previous_model = nullptr;
  const dataplane::Tables* previous = nullptr;
  /// Pools whose status changed since `previous`.
  std::vector<std::string> touched_pools = {};
  /// Backends whose flows are to end: they get another number.
  std::vector<BackendKey> flushed = {};
  /// Counts where the model has none; the same in every compilation of a process.
  SipKey kept_hash_key = {};
};

struct Compiled {
  std::shared_ptr<const dataplane::Tables> tables;
  std::vector<std::string> changed;          ///< `pool/web`, `service/web`, `routes`, ... in order of name
  std::map<std::string, double> disruption;  ///< see disruption()
};

/// Everything that parse_config() accepts compiles, but for limits of the registry. What it takes from and
/// gives back to `ids` is tentative: the caller commits it together with publishing, or discards it.
Outcome<Compiled> compile(const CompileInput& input, IdRegistry& ids);

/// The effective state, by the rules of interface.md section 5 (fail_open aside), and why.
struct EffectiveState {
  lb::BackendState state;
  std::string reason;
};
EffectiveState effective_state(const BackendStatus& status);

}  // namespace sluice::ctrl
