// What hash workers hand each other, by rings of pointers and values. Plain values.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <cstdint>

#include "common/spsc_ring.h"
#include "ledger/recent_ids.h"

namespace sluice::dataplane {

/// A transaction from its parser to the sealer, and the object back. Its hash worker owns the memory; whoever
/// holds the pointer owns the contents.
struct HashJob {
  ledger::Transaction transaction;
  rte_mbuf* packet = nullptr;    ///< that the payload lies in
  rte_mbuf* gathered = nullptr;  ///< what the id is the hash of, where that is not one piece of the payload
  uint64_t exchange_hash = 0;    ///< CoapExchanges::hash_of() its request
  ledger::RecentIds::Home home;  ///< the sealer's own: where it looks the id up
};

/// Packets that a hash worker takes from a ring at a time: twice as many messages fill the lanes of an
/// engine.
inline constexpr size_t kHashBurst = 64;
/// Transactions between parser and sealer, for each hash worker.
inline constexpr size_t kHashJobs = 1024;

/// Receipts and refusals that may wait for each hash worker.
inline constexpr size_t kReceiptRing = 1024;

using JobRing = SpscRing<HashJob*>;
using AnswerRing = SpscRing<ledger::Answer>;

/// Buckets of `sluice_ledger_ack_seconds`, in nanoseconds.
inline constexpr std::array<uint64_t, 15> kAckBounds = {
    100'000,     250'000,     500'000,       1'000'000,     2'500'000,
    5'000'000,   10'000'000,  25'000'000,    50'000'000,    100'000'000,
    250'000'000, 500'000'000, 1'000'000'000, 2'500'000'000, 10'000'000'000};

}  // namespace sluice::dataplane
