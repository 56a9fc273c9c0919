// How long backends take to answer a SYN, and a client's first bytes, and who does not answer: for
// statistics, for least-response-time and for outlier rules. Only NAT modes see answers. One worker's; memory
// is given and bounded.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <span>

#include "common/counter.h"
#include "common/histogram.h"
#include "common/spsc_ring.h"
#include "lb/backend.h"
#include "lb/flow_entry.h"
#include "lb/service.h"

namespace sluice::lb {

/// Handshakes of one service by how long they took. All-zero bytes are valid; the worker adds, any thread
/// reads.
class HandshakeTimes {
 public:
  /// In nanoseconds, each twice the one before: 31.25 us to 2.048 s.
  static constexpr auto kBounds = [] {
    std::array<uint64_t, 17> bounds{31'250};
    for (size_t i = 1; i < bounds.size(); ++i) bounds[i] = 2 * bounds[i - 1];
    return bounds;
  }();

  void add(uint64_t nanoseconds) {
    size_t bucket = 0;
    while (bucket < kBounds.size() && nanoseconds > kBounds[bucket]) ++bucket;
    buckets_[bucket].add();
    sum_ns_.add(nanoseconds);
  }
  /// Adds what was counted to a reading of kBounds.
  void add_to(HistogramReading& reading) const {
    for (size_t i = 0; i < buckets_.size(); ++i) {
      reading.buckets[i] += buckets_[i].read();
      reading.count += buckets_[i].read();
    }
    reading.sum += sum_ns_.read();
  }
  void clear() {
    for (Counter& bucket : buckets_) bucket.add(0 - bucket.read());
    sum_ns_.add(0 - sum_ns_.read());
  }

 private:
  std::array<Counter, kBounds.size() + 1> buckets_;
  Counter sum_ns_;
};

/// An average of how long something takes, by time, which fades. All-zero bytes are valid. One thread writes,
/// any reads.
class AverageTime {
 public:
  static constexpr double kFadeNs = 5e9;

  /// One that is longer than what is known counts at once, one that is shorter only by and by ("peak EWMA"):
  /// it is the peaks that clients wait for.
  void add_peak(uint64_t now_ns, uint64_t nanoseconds);
  /// One that is longer counts no more than one that is shorter: an eighth at least, as in RFC 6298, and more
  /// where the last one was long ago.
  void add(uint64_t now_ns, uint64_t nanoseconds);
  bool is_known() const { return sampled_ns_.load(std::memory_order_relaxed) != 0; }
  /// As of when it was last told anything.
  uint64_t nanoseconds() const { return ewma_ns_.load(std::memory_order_relaxed); }
  /// As it has faded since: what was long ago says little (to 1/e in kFadeNs).
  double faded(uint64_t now_ns) const;
  void clear();

 private:
  void mix(uint64_t now_ns, uint64_t nanoseconds, double most);

  std::atomic<uint64_t> ewma_ns_;     ///< at `sampled_ns_`
  std::atomic<uint64_t> sampled_ns_;  ///< 0: nothing is known
};

/// What one worker knows of a backend's answers. All-zero bytes are valid. The worker writes; of what is
/// atomic any thread may read.
struct AnswerTime {
  AverageTime handshake;              ///< peaks, from a SYN to its SYN-ACK; and failures
  AverageTime response;               ///< from a flow's first bytes to the first answer, where a policy asks
  std::atomic<uint64_t> answered_ns;  ///< when the backend last answered with SYN-ACK; 0: never
  uint32_t open_flows;                ///< its flows that neither FIN nor RST has ended
  bool has_failed;                    ///< since it last answered, and somebody was told

  void clear() {
    handshake.clear();
    response.clear();
    answered_ns.store(0, std::memory_order_relaxed);
    open_flows = 0;
    has_failed = false;
  }
};

/// What an outlier rule goes by.
struct HandshakeEvent {
  enum class Kind : uint8_t {
    kUnanswered,   ///< a SYN, for kPatienceNs
    kReset,        ///< a RST answers a SYN
    kUnreachable,  ///< an ICMP error
    kAnswered,     ///< a SYN-ACK, after failures
  };
  BackendId backend = kNoBackend;
  Kind kind{};
  uint64_t at_ns = 0;  ///< monotonic
};

/// A SYN that was not answered when it came.
struct PendingHandshake {
  uint64_t began_ns = 0;
  FlowIndex flow = kNoFlow;
  BackendId backend = kNoBackend;
  bool tells = false;  ///< an outlier rule may ask for it
};

/// When a flow's client has sent its first bytes, which are not answered yet.
struct PendingResponse {
  uint64_t asked_ns = 0;
  FlowIndex flow = kNoFlow;  ///< kNoFlow: nobody waits
};

class HandshakeWatch {
 public:
  static constexpr uint64_t kPatienceNs = 3'000'000'000;
  /// A failed handshake counts as one that took so long at least.
  static constexpr uint64_t kFailureNs = 1'000'000'000;
  static constexpr size_t kEvents = 4096;  ///< that may wait for the control thread

  struct Memory {                         ///< zeroed; outlives this
    std::span<PendingHandshake> pending;  ///< a power of two: SYNs beyond are not watched
    /// As many: where the handshake of a flow is pending, see mark(). Of two flows that share a place the
    /// later one is watched.
    std::span<uint32_t> marks;
    /// As many: by the last bits of the flow's index. Of two that share a place the later one is timed.
    std::span<PendingResponse> responses;
    std::span<HandshakeTimes> services;  ///< by ServiceId
    std::span<AnswerTime> backends;      ///< by BackendId
  };
  explicit HandshakeWatch(const Memory& memory)
      : memory_(memory), mask_(static_cast<uint32_t>(memory.pending.size()) - 1) {}

  /// Monotonic; counts for what follows.
  void set_time(uint64_t now_ns) { now_ns_ = now_ns; }
  uint64_t now_ns() const { return now_ns_; }

  /// A backend has a flow more, or less, that nothing has ended.
  void count_open(BackendId backend, bool is_more) {
    memory_.backends[backend].open_flows += is_more ? 1 : -1;
  }

  /// Fetches where the handshakes of flows are that are to be forgotten some newcomers after `flow`, in the
  /// order of their indexes, as most are.
  void prefetch_after(FlowIndex flow) const {
    constexpr uint32_t kIndexesAhead = 64;
    __builtin_prefetch(&memory_.marks[(flow + kIndexesAhead) & mask_], 1);
  }
  /// A flow has begun with a SYN. `tells`: an outlier rule may ask for what becomes of it.
  void begin(FlowIndex flow, BackendId backend, bool tells);
  /// Its backend has answered with a SYN-ACK.
  void answer(FlowIndex flow, ServiceId service, BackendId backend);
  /// Its handshake has failed; that counts once.
  void fail(FlowIndex flow, HandshakeEvent::Kind kind);
  /// A flow without a handshake has failed to reach its backend.
  void fail(BackendId backend, HandshakeEvent::Kind kind, bool tells);
  /// It is nobody's failure that it is not answered.
  void forget(FlowIndex flow) {
    uint32_t& mark = mark_of(flow);
    if (is_mark_of(flow, mark)) mark = kOver;
  }
  /// Gives up the oldest one if it is over, or has it fail if it has been pending for kPatienceNs. False: it
  /// is neither, or there is none.
  bool retire_oldest();

  /// The client of a flow that is timed has sent its first bytes.
  void ask(FlowIndex flow);
  /// It has not: a new flow has the index of one that was not answered.
  void forget_question(FlowIndex flow) { waited_ns(flow); }
  /// Its backend has sent its first ones.
  void respond(FlowIndex flow, BackendId backend);
  /// Its backend has reset it instead: that counts as a failed handshake.
  void refuse(FlowIndex flow, BackendId backend);

  std::span<const AnswerTime> answer_times() const { return memory_.backends; }

  /// The control thread. Fills `events` from the front; returns how many there were.
  size_t take(std::span<HandshakeEvent> events) { return events_.pop(events); }
  /// The control thread, of numbers that nobody's tables and no flow refer to: whoever gets them next begins
  /// anew.
  void forget_service(ServiceId service) { memory_.services[service].clear(); }
  void forget_backend(BackendId backend) { memory_.backends[backend].clear(); }
  /// Any thread: by ServiceId and BackendId.
  const HandshakeTimes& times_of(ServiceId service) const { return memory_.services[service]; }
  const AnswerTime& answer_time_of(BackendId backend) const { return memory_.backends[backend]; }

 private:
  /// No flow's mark: its index would be kNoFlow.
  static constexpr uint32_t kOver = UINT32_MAX;

  /// That the handshake of a flow is pending at that place: the place in the last bits, and those of the
  /// flow's index that do not tell where its mark is. A handshake is over once its flow has another mark, so
  /// that nobody has to fetch it for that.
  uint32_t mark(FlowIndex flow, uint32_t place) const { return (flow & ~mask_) | (place & mask_); }
  bool is_mark_of(FlowIndex flow, uint32_t mark) const { return ((flow ^ mark) & ~mask_) == 0; }
  uint32_t& mark_of(FlowIndex flow) { return memory_.marks[flow & mask_]; }
  PendingHandshake* find(FlowIndex flow);
  /// How long the client of a flow has waited, and it does so no more. Nothing: it has not asked, or is not
  /// timed.
  std::optional<uint64_t> waited_ns(FlowIndex flow);
  void fail(PendingHandshake& handshake, HandshakeEvent::Kind kind);

  Memory memory_;
  uint32_t mask_;
  uint64_t now_ns_ = 0;
  uint32_t head_ = 0, tail_ = 0;  ///< of `pending`, a queue; they run on and wrap
  SpscRing<HandshakeEvent> events_{kEvents};
};

}  // namespace sluice::lb
