// What the ledger tells of a transaction that is sampled: who sent it, and when each stage was over. Plain
// values.
#pragma once

#include <cstdint>

#include "common/address.h"
#include "common/bytes.h"
#include "crypto/sha256_message.h"
#include "ledger/outcome.h"

namespace sluice::dataplane {

/// Times are monotonic, in nanoseconds; 0: it did not come so far.
struct TransactionTrace {
  crypto::Digest txid;
  IpAddress client;
  Be16 port;
  uint8_t ingress = 0;  ///< its place in `ledger.ingress`
  ledger::Outcome outcome = ledger::Outcome::kStored;
  uint64_t received_ns = 0;  ///< the hash worker has it in hand
  uint64_t hashed_ns = 0;
  uint64_t sealed_ns = 0;    ///< its block was handed to the journal
  uint64_t durable_ns = 0;   ///< its block came back
  uint64_t answered_ns = 0;  ///< its answer was on its way to the client
  uint64_t told_ns = 0;      ///< now, when it is told of
};

}  // namespace sluice::dataplane
