// All that belongs to the ledger ingress: its memory, its threads, its counters. Made and destroyed by the
// control thread while no worker runs.
#pragma once

#include <memory>

#include "common/result.h"
#include "crypto/sha256.h"
#include "dataplane/ledger_config.h"
#include "ledger/outcome.h"

namespace sluice::dataplane {

class LedgerStation {
 public:
  /// Chooses the hash engine.
  static Result<std::unique_ptr<LedgerStation>> create(const LedgerConfig& config);

  crypto::Sha256Engine engine() const { return engine_; }

 private:
  crypto::Sha256Engine engine_ = crypto::Sha256Engine::openssl;
};

}  // namespace sluice::dataplane
