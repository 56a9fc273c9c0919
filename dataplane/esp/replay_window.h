// The anti-replay window of an inbound security association (RFC 4303, 3.4.3), shared by all workers, and
// exact: of all packets with one number, whoever has them, one is accepted.
//
// The bits of sixteen numbers lie in one word beside the count of sixteens that they are of: whoever sets a
// bit exchanges the word, which tells at once whether the number was taken, and whether newer ones have its
// place.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace sluice::dataplane {

/// Any thread.
class ReplayWindow {
 public:
  /// `size` numbers up to the highest accepted, which is kept in `highest`, and outlives this. Up to its
  /// present value all count as accepted.
  ReplayWindow(uint32_t size, std::atomic<uint64_t>& highest);

  uint32_t size() const { return size_; }
  uint64_t highest() const { return highest_.load(std::memory_order_relaxed); }
  /// Whether accept() may still say yes: a look before the ICV is checked.
  bool may_accept(uint64_t number) const;
  /// For a packet whose ICV is right. True once for each number; false where it was taken, or is too old.
  bool accept(uint64_t number);

 private:
  static constexpr unsigned kNumbers = 16;  ///< of a word

  const uint32_t size_;
  const uint64_t floor_;
  std::atomic<uint64_t>& highest_;
  size_t mask_;
  std::unique_ptr<std::atomic<uint64_t>[]> words_;  ///< count of sixteens 48 | bits 16
};

}  // namespace sluice::dataplane
