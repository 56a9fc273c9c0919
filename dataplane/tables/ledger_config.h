// What the ledger ingress needs before the first transaction, and cannot change without a restart: the
// `ledger` section as the data plane takes it. Made by ctrl from the configuration; plain values.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "common/address.h"
#include "common/bytes.h"
#include "ledger/block_limits.h"
#include "ledger/profile.h"
#include "ledger/source_prefixes.h"

namespace sluice::crypto {
class NoteSigner;
}

namespace sluice::dataplane {

/// How transactions lie in datagrams.
enum class Framing : uint8_t {
  kRaw,   ///< the UDP payload is one transaction; nothing is answered
  kCoap,  ///< RFC 7252, `POST /tx`
};

/// Where transactions arrive. Its place in Tables::ingress is Requester::ingress.
struct Ingress {
  IpAddress address;
  Be16 port;  ///< UDP
  Framing framing = Framing::kRaw;
  ledger::Profile profile = ledger::Profile::kOpaque;
};

/// `ledger.source_rate`, for each source.
struct SourceRateLimit {
  uint64_t rate = 0;   ///< transactions a second
  uint64_t burst = 0;  ///< transactions
  ledger::SourcePrefixes prefixes = {};
};

struct LedgerConfig {
  std::string directory;
  /// The key that checkpoints are signed with; its name is the log's origin. Shared because a BootConfig is
  /// copied; the journal thread takes it out, once.
  std::shared_ptr<crypto::NoteSigner> signer;
  ledger::BlockLimits seal{4096, 1 << 20};
  uint64_t seal_delay_ns = 2'000'000;
  uint64_t checkpoint_interval_ns = 100'000'000;
  uint64_t dedupe_window = 4194304;  ///< transactions
  std::optional<SourceRateLimit> source_rate;
  std::string sha256 = "auto";         ///< or the name of an engine
  bool goes_on_after_failure = false;  ///< of the disk: balancing goes on, transactions are refused
};

}  // namespace sluice::dataplane
