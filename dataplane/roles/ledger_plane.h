// The ledger ingress as the control thread sees it: counters, how far the log reaches, requests. Part of a
// DataPlane, which starts and stops it with its workers.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "common/histogram.h"
#include "common/result.h"
#include "dataplane/ingress/ledger_reach.h"
#include "dataplane/ingress/ledger_request.h"
#include "dataplane/ingress/transaction_trace.h"
#include "ledger/outcome.h"

namespace sluice::dataplane {

class LedgerStation;

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
  /// Has that share of the transactions of the network told of, 0 to 1, by their ids.
  void sample_transactions(double share);
  /// Those that have come to their end; fills `room`, or takes all that there are.
  size_t take_traces(std::span<TransactionTrace> room);
  /// Sampled ones that there was no room for.
  uint64_t traces_lost() const;

 private:
  LedgerStation& station_;
};

}  // namespace sluice::dataplane
