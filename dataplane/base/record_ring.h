// A bounded queue of records of any size between exactly two threads: SpscRing's rules, in bytes.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "common/bytes.h"

namespace sluice::dataplane {

/// One thread reserves and commits, one takes. Memory is allocated once, by the constructor.
class RecordRing {
 public:
  static constexpr size_t kAlignment = 8;

  /// `bytes`: a power of two, several times the largest record.
  explicit RecordRing(size_t bytes) : mask_(bytes - 1), bytes_(new uint8_t[bytes]) {}
  RecordRing(const RecordRing&) = delete;

  /// Room for a record of that many bytes, to be filled and then committed. Empty: there is none.
  std::span<uint8_t> reserve(size_t bytes) {
    const size_t tail = tail_.load(std::memory_order_relaxed), needed = space_of(bytes);
    const size_t until_end = mask_ + 1 - (tail & mask_);
    // A record lies in one piece: where the end is too near, it begins at the front.
    const size_t skipped = needed <= until_end ? 0 : until_end;
    if (capacity() - (tail - head_seen_) < skipped + needed) {
      head_seen_ = head_.load(std::memory_order_acquire);
      if (capacity() - (tail - head_seen_) < skipped + needed) return {};
    }
    if (skipped != 0) store(at(tail), kSkip);
    store(at(tail + skipped), static_cast<uint64_t>(bytes));
    reserved_ = tail + skipped + needed;
    return {at(tail + skipped) + kHeader, bytes};
  }
  /// Makes what was reserved last the taker's.
  void commit() { tail_.store(reserved_, std::memory_order_release); }

  /// The oldest record, until release(). Empty: there is none.
  std::span<const uint8_t> front() {
    size_t head = head_.load(std::memory_order_relaxed);
    if (head == tail_.load(std::memory_order_acquire)) return {};
    if (load<uint64_t>(at(head)) == kSkip) {
      head += mask_ + 1 - (head & mask_);
      head_.store(head, std::memory_order_release);
    }
    return {at(head) + kHeader, load<uint64_t>(at(head))};
  }
  void release() {
    const size_t head = head_.load(std::memory_order_relaxed);
    head_.store(head + space_of(load<uint64_t>(at(head))), std::memory_order_release);
  }

  size_t capacity() const { return mask_ + 1; }

 private:
  static constexpr size_t kHeader = sizeof(uint64_t);
  static constexpr uint64_t kSkip = UINT64_MAX;  ///< instead of a size: the next record is at the front

  static size_t space_of(size_t bytes) {
    return (kHeader + bytes + kAlignment - 1) / kAlignment * kAlignment;
  }
  uint8_t* at(size_t position) { return bytes_.get() + (position & mask_); }

  const size_t mask_;
  const std::unique_ptr<uint8_t[]> bytes_;
  alignas(64) std::atomic<size_t> tail_{0};  // written by the producer
  size_t head_seen_ = 0;
  size_t reserved_ = 0;
  alignas(64) std::atomic<size_t> head_{0};  // written by the taker
};

}  // namespace sluice::dataplane
