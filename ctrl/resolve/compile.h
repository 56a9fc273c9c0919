// From what counts to what workers read: an Effective in, Tables out. Builds only what changed and shares the
// rest with the generation before. Pure but for the id registry.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ctrl/intent/fault.h"
#include "ctrl/resolve/effective.h"
#include "ctrl/resolve/id_registry.h"
#include "dataplane/device/port_info.h"
#include "dataplane/tables/tables.h"

namespace sluice::ctrl {

struct TunnelAssociations;  // ctrl/tunnel/tunnel_associations.h

struct CompileInput {
  const Effective& effective;
  const std::vector<dataplane::PortInfo>& ports;
  uint64_t generation;
  /// What was compiled last, and what of, to share what did not change; null at the first time.
  const Effective* before = nullptr;
  const dataplane::Tables* previous = nullptr;
  /// Backends whose flows are to end: they get another number.
  std::vector<BackendKey> flushed = {};
  /// Counts where the intent has none; the same in every compilation of a process.
  SipKey kept_hash_key = {};
  unsigned balancers = 1;      ///< workers that have flows; the same in every compilation of a process
  uint64_t configuration = 0;  ///< the intent's generation
  /// What tunnels have, their associations above all; null: there are none.
  const TunnelAssociations* tunnels = nullptr;
  const TunnelAssociations* tunnels_before = nullptr;
  /// Who reads of which flows; null: nobody.
  std::shared_ptr<const dataplane::FlowReading> flow_reading = nullptr;
};

struct Compiled {
  std::shared_ptr<const dataplane::Tables> tables;
  std::vector<std::string> changed;          ///< `pool/web`, `service/web`, `routes`, ... in order of name
  std::map<std::string, double> disruption;  ///< see disruption()
  std::vector<lb::BackendId> added;          ///< backends that had no number before
};

/// Everything that parse_config() accepts compiles, but for limits of the registry. What it takes from and
/// gives back to `ids` is tentative: the caller commits it together with publishing, or discards it.
Outcome<Compiled> compile(const CompileInput& input, IdRegistry& ids);

}  // namespace sluice::ctrl
