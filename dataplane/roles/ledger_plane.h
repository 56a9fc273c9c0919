// The ledger ingress as the control thread sees it: counters, how far the log reaches, requests. Part of a
// DataPlane, which starts and stops it with its workers.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "common/histogram.h"
#include "common/result.h"
#include "crypto/sha256_message.h"
#include "ledger/outcome.h"
#include "ledger/receipt.h"
#include "ledger/transaction.h"

namespace sluice::dataplane {

class LedgerStation;

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

/// How far the log reaches. Values may be a moment old, each by itself.
struct LedgerReach {
  uint64_t blocks = 0;           ///< durable
  uint64_t tree_size = 0;        ///< durable
  uint64_t checkpoint_size = 0;  ///< covered by the released checkpoint
  bool is_full = false;          ///< blocks are refused for want of room
  bool is_late = false;          ///< it is the checkpoint that finds no room
  bool is_stalled = false;       ///< the disk does not answer: transactions are refused until it does
};

/// All functions are for the control thread.
class LedgerPlane {
 public:
  /// Borrows `station`.
  explicit LedgerPlane(LedgerStation& station) : station_(station) {}

  /// The SHA-256 engine that hashes transactions.
  std::string_view engine() const;
  LedgerReach reach() const;
  /// Datagrams and requests that count, and how they ended, summed over all threads of this run.
  uint64_t received() const;
  uint64_t ended(ledger::Outcome outcome) const;
  /// From reception to the answer that a block is durable, in nanoseconds; receipts only.
  HistogramReading ack_ns() const;
  HistogramReading block_transactions() const;
  /// Why nothing more is acknowledged: the gateway must stop and leave with a status above 0, or goes on
  /// without its ledger (LedgerConfig::goes_on_after_failure).
  std::optional<Error> failure() const;
  /// Whether, after DataPlane::stop(), a thread still waits for a disk that does not answer. The process can
  /// only leave at once then: destroying the DataPlane would wait, too.
  bool is_stuck() const;
  /// Answers that no ring or buffer was free for: their clients ask again.
  uint64_t answers_lost() const;
  /// Puts a request before the sealing hash worker. False: its ring is full, ask later.
  bool ask(LedgerRequest& request);

 private:
  LedgerStation& station_;
};

}  // namespace sluice::dataplane
