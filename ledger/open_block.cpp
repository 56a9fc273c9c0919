#include "ledger/open_block.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "common/check.h"

namespace sluice::ledger {
namespace {

// seal.bytes is checked before a transaction is taken, so the last one may go beyond it by its own size.
size_t record_capacity(OpenBlock::Limits limits) {
  return record_span(sizeof(RecordHead) + limits.bytes + kMostPayload +
                     size_t{limits.transactions} * sizeof(RecordEntry));
}

}  // namespace

void OpenBlock::Free::operator()(uint8_t* memory) const {
  std::free(memory);
}

OpenBlock::OpenBlock(Limits limits)
    : limits_(limits),
      record_(static_cast<uint8_t*>(std::aligned_alloc(kRecordAlignment, record_capacity(limits)))),
      leaf_hashes_(new crypto::Digest[limits.transactions]),
      entries_(new RecordEntry[limits.transactions]),
      askers_(new Asker[limits.transactions]) {
  check(record_ != nullptr, "there is memory for the blocks under way");
  std::memset(record_.get(), 0, record_capacity(limits));  // else the first block waits for pages
}

void OpenBlock::restart(uint64_t number, uint64_t first_index, uint64_t now_ns) {
  number_ = number;
  first_index_ = first_index;
  opened_ns_ = now_ns;
  count_ = 0;
  asker_count_ = 0;
  payload_bytes_ = 0;
  fate = Fate::kUnderWay;
  first_waiter = last_waiter = told_waiter = kNoWaiter;
  told = 0;
  is_taken_back = false;
}

void OpenBlock::add(const Transaction& transaction) {
  check(!is_full() && transaction.size <= kMostPayload,
        "a block has room for each transaction that it takes");
  uint8_t* const to = record_.get() + sizeof(RecordHead) + payload_bytes_;
  prefetch_room(to, transaction.size);
  std::memcpy(to, transaction.payload, transaction.size);
  payload_bytes_ += transaction.size;
  entries_[count_] = {Be16::from_host(static_cast<uint16_t>(transaction.size)),
                      static_cast<uint8_t>(transaction.profile), 0};
  leaf_hashes_[count_] = transaction.leaf_hash;
  if (transaction.requester.channel != Channel::kNone)
    askers_[asker_count_++] = {count_, transaction.requester};
  ++count_;
}

/// The journal thread's CPU has read these lines since: fetches those that a later transaction will be
/// written to. Beyond an array's end this does nothing.
void OpenBlock::prefetch_room(const uint8_t* to, uint32_t size) const {
  constexpr uint32_t kAheadBytes = 2048, kAhead = 8;
  for (uint32_t at = 0; at < size; at += 64) __builtin_prefetch(to + kAheadBytes + at, 1);
  __builtin_prefetch(&leaf_hashes_[count_ + kAhead], 1);
  if (asker_count_ == 0) return;
  const auto* const asker = reinterpret_cast<const uint8_t*>(&askers_[asker_count_ + kAhead]);
  for (size_t at = 0; at < sizeof(Asker); at += 64) __builtin_prefetch(asker + at, 1);
}

std::span<uint8_t> OpenBlock::finish_record(const BlockMetadata& metadata, const BlockHeader& header,
                                            RecordState state) {
  uint8_t* const start = record_.get();
  const size_t entry_bytes = size_t{count_} * sizeof(RecordEntry);
  const size_t length = sizeof(RecordHead) + payload_bytes_ + entry_bytes;
  std::memcpy(start + length - entry_bytes, entries_.get(), entry_bytes);
  std::memset(start + length, 0, record_span(length) - length);

  RecordHead head{};
  std::array<uint8_t, BlockHeader::kMostBytes> der;
  const size_t der_bytes = header.encode(der);
  std::copy_n(der.begin(), der_bytes, head.header.begin());
  head.magic = Be32::from_host(RecordHead::kMagic);
  head.length = Be32::from_host(static_cast<uint32_t>(length));
  head.count = Be32::from_host(count_);
  head.payload_bytes = Be32::from_host(payload_bytes_);
  head.header_bytes = Be32::from_host(static_cast<uint32_t>(der_bytes));
  head.metadata = metadata.encode();
  head.version = RecordHead::kVersion;
  head.under_way = Be16::from_host(state.under_way);
  head.mark = Be32::from_host(state.mark);
  store(start, head);
  store(start + offsetof(RecordHead, crc), Be32::from_host(record_checksum({start, length})));
  return {start, record_span(length)};
}

}  // namespace sluice::ledger
