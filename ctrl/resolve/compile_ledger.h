// The `ledger` section as the data plane takes it. Control thread.
#pragma once

#include <memory>
#include <vector>

#include "common/result.h"
#include "ctrl/intent/model.h"
#include "dataplane/tables/ledger_config.h"

namespace sluice::ctrl {

/// Where transactions arrive, in the configuration's order; null where there is no ledger.
std::shared_ptr<const std::vector<dataplane::Ingress>> ingress_table(const Model& model);

/// What does not change until a restart. Reads the signing key from its file; an Error names what is wrong
/// with that.
Result<dataplane::LedgerConfig> ledger_config(const LedgerModel& model);

}  // namespace sluice::ctrl
