// The sequence numbers of an outbound security association, shared by workers. Each takes a few at a time,
// for packets that it is about to send, out of a range that is on stable storage; the control thread extends
// that.
//
// No number leaves more than kMostBehind behind the highest sent, whatever the workers do meanwhile: before a
// worker sends it says which numbers it is about to send and looks how far others have got; who takes higher
// numbers looks whether anybody is about to send lower ones. One of two sees the other
// (docs/decisions/0040-esp-on-several-workers.md).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

namespace sluice::dataplane {

class SequenceLeases {
 public:
  static constexpr uint64_t kMostBehind = 64;

  /// For workers with indexes below `workers`. Numbers from `first` up to, not including, `end`.
  SequenceLeases(unsigned workers, uint64_t first, uint64_t end);

  // Of workers.
  /// How many numbers a worker takes at once, at most: several workers' fit in what a number may be behind.
  unsigned most() const { return most_; }
  /// Whether another worker is about to send numbers so low that depart() would say kLater of the next
  /// `count`: a look before these are taken, for packets that would be encrypted in vain.
  bool has_to_wait(unsigned worker, unsigned count) const;
  /// The first of `count` numbers that nobody else has; nothing where the range has no more.
  std::optional<uint64_t> take(unsigned count);
  enum class Departure : uint8_t {
    kNow,    ///< send them at once, then say left()
    kLater,  ///< another worker is about to send lower ones: these are lost, take others in the next poll
    kStale,  ///< others have got too far ahead: these are lost, take others
  };
  /// Before `count` numbers from `first` on leave by `worker`.
  Departure depart(unsigned worker, uint64_t first, unsigned count);
  void left(unsigned worker);

  // Of the control thread.
  /// The next number to be taken: numbers below it may have been used.
  uint64_t next() const { return next_.load(std::memory_order_relaxed); }
  uint64_t end() const { return end_.load(std::memory_order_relaxed); }
  /// Numbers below `end` are on stable storage as used up.
  void extend(uint64_t end) { end_.store(end, std::memory_order_release); }

 private:
  static constexpr uint64_t kNone = UINT64_MAX;
  /// Whether another worker is about to send a number that `last` may not be sent before.
  bool is_too_far(unsigned worker, uint64_t last) const;

  struct alignas(64) Leaving {
    std::atomic<uint64_t> lowest{kNone};
  };

  const unsigned workers_;
  const unsigned most_;
  std::unique_ptr<Leaving[]> leaving_;  ///< by worker
  alignas(64) std::atomic<uint64_t> next_;
  alignas(64) std::atomic<uint64_t> end_;
};

}  // namespace sluice::dataplane
