// A block while it is under way: filled by the sealing hash worker, then handed to the journal thread by
// ring, and back. Whoever holds the pointer owns the object; Ingest owns the memory.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "ledger/block.h"
#include "ledger/block_limits.h"
#include "ledger/transaction.h"

namespace sluice::ledger {

/// How a block ended in the journal.
enum class Fate : uint8_t {
  kUnderWay,
  kCommitted,  ///< every byte is on stable storage
  kDiskFull,   ///< nothing of it was kept; its indexes are free again
  kFailed,     ///< the disk failed: nobody knows, nothing more is acknowledged
};

/// The payloads lie as the journal's record has them, so that they are copied once. Nothing is allocated
/// after construction.
class OpenBlock {
 public:
  using Limits = BlockLimits;
  static constexpr uint32_t kNoWaiter = UINT32_MAX;
  /// Who sent a transaction and is to get an answer.
  struct Asker {
    uint32_t place = 0;  ///< of the transaction in the block
    Requester requester;
  };

  explicit OpenBlock(Limits limits);
  OpenBlock(const OpenBlock&) = delete;
  OpenBlock& operator=(const OpenBlock&) = delete;

  /// Begins anew as block `number` at leaf `first_index`.
  void restart(uint64_t number, uint64_t first_index, uint64_t now_ns);
  /// Copies a transaction in; not when is_full().
  void add(const Transaction& transaction);
  /// Whether the next transaction must go to another block.
  bool is_full() const { return count_ == limits_.transactions || payload_bytes_ >= limits_.bytes; }

  uint64_t number() const { return number_; }
  uint64_t first_index() const { return first_index_; }
  uint64_t tree_size() const { return first_index_ + count_; }
  uint32_t count() const { return count_; }
  uint64_t opened_ns() const { return opened_ns_; }
  std::span<const crypto::Digest> leaf_hashes() const { return {leaf_hashes_.get(), count_}; }
  /// Ingest's own, wherever the block is; in the order of their transactions. Nobody asks for the others.
  std::span<Asker> askers() { return {askers_.get(), asker_count_}; }
  Profile profile(uint32_t place) const { return static_cast<Profile>(entries_[place].profile); }

  /// The bytes that finish_record() will give.
  uint64_t record_bytes() const {
    return record_span(sizeof(RecordHead) + payload_bytes_ + uint64_t{count_} * sizeof(RecordEntry));
  }
  /// Completes the record, checksum included; the journal thread calls it. The result spans whole
  /// kRecordAlignment units, the last filled up with zeros.
  std::span<uint8_t> finish_record(const BlockMetadata& metadata, const BlockHeader& header,
                                   RecordState state);

  Fate fate = Fate::kUnderWay;        ///< written by the journal thread before it gives the block back
  uint32_t first_waiter = kNoWaiter;  ///< Ingest's own: those who sent a repeat meanwhile
  uint32_t last_waiter = kNoWaiter;
  bool is_taken_back = false;        ///< Ingest's own: its indexes were given out again
  uint32_t told = 0;                 ///< Ingest's own: how many of askers() were told of a stall
  uint32_t told_waiter = kNoWaiter;  ///< Ingest's own: the last waiter who was told

 private:
  struct Free {
    void operator()(uint8_t* memory) const;
  };

  void prefetch_room(const uint8_t* to, uint32_t size) const;

  Limits limits_;
  std::unique_ptr<uint8_t[], Free> record_;
  std::unique_ptr<crypto::Digest[]> leaf_hashes_;
  std::unique_ptr<RecordEntry[]> entries_;
  std::unique_ptr<Asker[]> askers_;
  uint64_t number_ = 0;
  uint64_t first_index_ = 0;
  uint64_t opened_ns_ = 0;
  uint32_t count_ = 0;
  uint32_t asker_count_ = 0;
  uint32_t payload_bytes_ = 0;
};

}  // namespace sluice::ledger
