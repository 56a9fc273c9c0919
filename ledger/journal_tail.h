// What lies behind the last whole record of the newest segment: a torn tail, which nobody was told of, or
// what is left of blocks that were durable. Start of the journal; reads only.
#pragma once

#include <cstdint>
#include <optional>

#include "common/result.h"
#include "ledger/record_reader.h"

namespace sluice::ledger {

struct JournalTail {
  uint64_t bytes = 0;    ///< up to the last one that is not zero
  uint64_t records = 0;  ///< whole ones, and the torn one that they follow
  /// Where a whole record begins that says that the block at the tail's start was durable.
  std::optional<uint64_t> proof;
};

/// Reads the tail from `offset` on, where block `number` should be but is not whole. Only records with the
/// log's `mark` are believed, where that is known: what strangers put into a payload is none. Time is
/// bounded by the file's real size: fails where there is more that looks like records than can be.
Result<JournalTail> read_tail(RecordReader& reader, uint64_t offset, uint64_t number,
                              std::optional<uint32_t> mark);

}  // namespace sluice::ledger
