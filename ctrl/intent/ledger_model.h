// The `ledger` section of the configuration: values only. Boot settings: a change needs a restart.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/address.h"
#include "dataplane/tables/ledger_config.h"
#include "ledger/profile.h"
#include "ledger/source_prefixes.h"

namespace sluice::ctrl {

using dataplane::Framing;

struct IngressModel {
  IpAddress address;
  uint16_t port = 0;
  Framing framing = Framing::kRaw;
  ledger::Profile profile = ledger::Profile::kOpaque;
};

struct SealModel {
  uint32_t transactions = 4096;
  uint32_t bytes = 1 << 20;
  std::chrono::milliseconds delay{2};
};

struct SourceRateModel {
  uint64_t rate = 0;  ///< transactions per second
  uint64_t burst = 0;
  ledger::SourcePrefixes prefixes = {};
};

/// What a disk that fails ends.
enum class OnFailure : uint8_t {
  kExit,    ///< the gateway, with a status above 0
  kRefuse,  ///< the ledger: balancing goes on
};

struct LedgerModel {
  std::string origin;
  std::string directory;
  std::string signing_key;  ///< `file:` and an absolute path
  std::vector<IngressModel> ingress;
  SealModel seal;
  std::chrono::milliseconds checkpoint_interval{100};
  uint64_t dedupe_window = 4194304;
  std::optional<SourceRateModel> source_rate;
  std::string sha256 = "auto";
  OnFailure on_failure = OnFailure::kExit;
};

}  // namespace sluice::ctrl
