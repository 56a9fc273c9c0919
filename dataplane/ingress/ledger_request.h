// What the control thread asks of the sealing hash worker.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "crypto/sha256_message.h"
#include "ledger/receipt.h"
#include "ledger/transaction.h"

namespace sluice::dataplane {

/// `ledger.submit`: one transaction from the control socket. It goes the way of every other; its answer comes
/// once its block is durable, or it is refused.
struct SubmitRequest {
  ledger::Profile profile = ledger::Profile::kOpaque;
  std::vector<uint8_t> payload;  ///< 1 to ledger::kMostPayload bytes
  ledger::Answer answer;
};

/// Where a transaction lies that the dedupe window remembers. Without a profile, the one that
/// Ingest::locate() finds first has that txid.
struct LocateRequest {
  crypto::Digest txid{};
  std::optional<ledger::Profile> profile{};
  std::optional<uint64_t> index{};  ///< of the leaf, once it is committed
};

/// Owned by the asker, which must keep it until `done`; between asking and `done` the ledger's alone.
struct LedgerRequest {
  std::variant<SubmitRequest, LocateRequest> question;
  std::atomic<bool> done{false};
};

}  // namespace sluice::dataplane
