// How long backends take to answer a SYN, and who does not: for statistics, for least-response-time and for
// outlier rules. Only NAT modes see answers. One worker's; memory is given and bounded.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <span>

#include "common/counter.h"
#include "common/spsc_ring.h"
#include "lb/backend.h"
#include "lb/flow_entry.h"

namespace sluice::lb {

/// Handshakes of one service by how long they took. All-zero bytes are valid; any thread may read.
class HandshakeTimes {
 public:
  /// The k-th bucket holds what took at most 2^k times kFirstNs; the last one, what took longer than that of
  /// the one before.
  static constexpr size_t kBuckets = 18;
  static constexpr uint64_t kFirstNs = 31'250;
  /// Seconds; of the last bucket there is none.
  static constexpr double bound(size_t bucket) { return static_cast<double>(kFirstNs << bucket) / 1e9; }

  void add(uint64_t nanoseconds);
  uint64_t in_bucket(size_t bucket) const { return buckets_[bucket].read(); }
  uint64_t sum_ns() const { return sum_ns_.read(); }

 private:
  std::array<Counter, kBuckets> buckets_;
  Counter sum_ns_;
};

/// What is known of one backend's answers. All-zero bytes are valid. The worker writes; of what is atomic any
/// thread may read.
struct AnswerTime {
  std::atomic<uint64_t> ewma_ns;      ///< peak EWMA at `sampled_ns`; 0: nothing is known
  std::atomic<uint64_t> sampled_ns;   ///< when it was last told anything
  std::atomic<uint64_t> answered_ns;  ///< when it last answered with SYN-ACK
  uint32_t failing;                   ///< 1: nothing but failures since

  /// With the decay of a backend that nobody has heard of since (10 s to 1/e).
  double ewma_at(uint64_t now_ns) const;
};

/// What an outlier rule goes by.
struct HandshakeEvent {
  BackendId backend = kNoBackend;
  enum class Kind : uint8_t {
    kUnanswered,   ///< a SYN, for kPatienceNs
    kReset,        ///< a RST answers a SYN
    kUnreachable,  ///< an ICMP error
    kAnswered,     ///< a SYN-ACK, after failures
  } kind{};
  uint64_t at_ns = 0;  ///< monotonic
};

/// A SYN that is not answered yet.
struct PendingHandshake {
  uint64_t began_ns = 0;
  FlowIndex flow = kNoFlow;  ///< kNoFlow: it is over
  BackendId backend = kNoBackend;
};

class HandshakeWatch {
 public:
  static constexpr uint64_t kPatienceNs = 3'000'000'000;
  /// A failed handshake counts as one that took so long at least.
  static constexpr uint64_t kFailureNs = 1'000'000'000;
  static constexpr size_t kEvents = 4096;  ///< that may wait for the control thread

  struct Memory {                         ///< zeroed; outlives this
    std::span<PendingHandshake> pending;  ///< a power of two: SYNs beyond are not watched
    std::span<uint32_t> places;           ///< as many
    std::span<HandshakeTimes> services;   ///< by ServiceId
    std::span<AnswerTime> backends;       ///< by BackendId
  };
  explicit HandshakeWatch(const Memory& memory) : memory_(memory) {}

  /// Monotonic; counts for what follows.
  void set_time(uint64_t now_ns) { now_ns_ = now_ns; }
  uint64_t now_ns() const { return now_ns_; }

  /// A flow has begun with a SYN.
  void begin(FlowIndex flow, BackendId backend);
  /// Its backend has answered with a SYN-ACK.
  void answer(FlowIndex flow, ServiceId service, BackendId backend);
  /// Its handshake has failed, once. `tells`: an outlier rule may ask for that.
  void fail(FlowIndex flow, BackendId backend, HandshakeEvent::Kind kind, bool tells);
  /// The same for a flow without a handshake.
  void fail(BackendId backend, HandshakeEvent::Kind kind, bool tells);
  /// It has ended otherwise.
  void forget(FlowIndex flow);
  /// The next one that has been pending for kPatienceNs, which is over with that.
  std::optional<PendingHandshake> overdue();

  std::span<const AnswerTime> answer_times() const { return memory_.backends; }

  /// The control thread. Fills `events` from the front; returns how many there were.
  size_t take(std::span<HandshakeEvent> events) { return events_.pop(events); }
  /// Any thread.
  std::span<const HandshakeTimes> times() const { return memory_.services; }
  uint64_t lost() const { return lost_.read(); }

 private:
  PendingHandshake* find(FlowIndex flow);
  void sample(AnswerTime& time, uint64_t nanoseconds);
  void tell(const HandshakeEvent& event);

  Memory memory_;
  uint64_t now_ns_ = 0;
  uint32_t head_ = 0, tail_ = 0;  ///< of `pending`, a queue; they run on and wrap
  SpscRing<HandshakeEvent> events_{kEvents};
  Counter lost_;
};

}  // namespace sluice::lb
