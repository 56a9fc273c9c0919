// What became of a transaction: the closed list behind `sluice_ledger_transactions_total{outcome}`.
// Plain values; an OutcomeCounters is written by one thread and read by any.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/counter.h"

namespace sluice::ledger {

/// Every transaction received ends in exactly one of these. Names follow interface.md, section 6.
enum class Outcome : uint8_t {
  kStored,
  kDuplicate,
  kRefusedMalformed,
  kRefusedOption,
  kRefusedPath,
  kRefusedMethod,
  kRefusedAccept,
  kRefusedProxy,
  kRefusedTooLarge,
  kRefusedRate,
  kDroppedRingFull,
  kDroppedWindowFull,
  kDroppedDiskFull,
  kDroppedStopping,
};
inline constexpr std::array<std::string_view, 14> kOutcomeNames = {
    "stored",
    "duplicate",
    "refused_malformed",
    "refused_option",
    "refused_path",
    "refused_method",
    "refused_accept",
    "refused_proxy",
    "refused_too_large",
    "refused_rate",
    "dropped_ring_full",
    "dropped_window_full",
    "dropped_disk_full",
    "dropped_stopping",
};
inline constexpr size_t kOutcomes = kOutcomeNames.size();

/// The label of the metric.
constexpr std::string_view name_of(Outcome outcome) {
  return kOutcomeNames[static_cast<size_t>(outcome)];
}

/// Whether the transaction is in the log, so that a receipt is the answer.
constexpr bool has_receipt(Outcome outcome) {
  return outcome <= Outcome::kDuplicate;
}

/// Whether the same transaction may be taken another time: 4.29 and 5.03.
constexpr bool is_for_now(Outcome outcome) {
  return outcome >= Outcome::kRefusedRate;
}

/// One thread's share. Summed over all threads, `received` equals the sum of `ended` whenever nothing is
/// in flight.
struct alignas(64) OutcomeCounters {
  Counter received;
  std::array<Counter, kOutcomes> ended;

  void count(Outcome outcome, uint64_t times = 1) { ended[static_cast<size_t>(outcome)].add(times); }
  uint64_t read(Outcome outcome) const { return ended[static_cast<size_t>(outcome)].read(); }
};

}  // namespace sluice::ledger
