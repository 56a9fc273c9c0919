// What the first hash worker does besides: it alone gives out leaf indexes. Hashed transactions of all hash
// workers come together here, blocks go to the journal thread and come back, answers go to whoever parsed the
// request. Called by the first hash worker's thread, but where said.
#pragma once

#include <array>
#include <atomic>
#include <vector>

#include "common/histogram.h"
#include "crypto/sha256.h"
#include "dataplane/base/stall_watch.h"
#include "dataplane/ingress/hash_job.h"
#include "dataplane/ingress/journal_rings.h"
#include "dataplane/ingress/ledger_request.h"
#include "dataplane/ingress/transaction_watch.h"
#include "ledger/ingest.h"

namespace sluice::dataplane {

/// What the sealer takes at a time, of transactions from each hash worker and of answers. Hash workers take
/// at most a burst from each worker between two polls; this keeps up with four, both ways.
inline constexpr size_t kSealBurst = 128;

class Sealer {
 public:
  static constexpr size_t kSubmitted = 256;  ///< requests of the control thread that may wait

  /// Allocates all there will ever be. Borrows `ids` and `journal`.
  Sealer(const ledger::IngestLimits& limits, ledger::RecentIds& ids, JournalRings& journal,
         crypto::Sha256 engine);

  /// Before the first poll, once for each hash worker, in order.
  void connect(JobRing* from, JobRing* back, AnswerRing* answers);

  /// One round; `now_ns` is monotonic. Returns how many transactions, blocks and answers it touched.
  unsigned poll(uint64_t now_ns);

  // For the hash worker that runs it, whose transactions take no ring. Between two polls.
  /// How many transactions may be offered now: each may be answered at once.
  size_t room() const;
  /// Fetches what offer() will look at. Call it some time before, as soon as the ids are known.
  void prefetch(std::span<HashJob* const> jobs);
  /// Takes hashed transactions, no more than room(), and frees their packets.
  void offer(std::span<HashJob* const> jobs, uint64_t now_ns);

  /// Answers of the last poll to requests that this hash worker has parsed: they take no ring. Valid until
  /// the next poll.
  std::span<const ledger::Answer> own_answers() const { return std::span(taken_).first(own_answers_); }

  // For the control thread.
  bool ask(LedgerRequest& request) { return requests_.push(&request); }
  /// Has transactions of the network that are sampled told of.
  TransactionWatch& watch() { return watch_; }
  const TransactionWatch& watch() const { return watch_; }
  /// Seals what is open and refuses whatever comes.
  void stop() { stopping_.store(true, std::memory_order_release); }
  /// After the last poll: tells those who still wait that the gateway stops.
  void refuse_requests();

  // For any thread.
  const ledger::OutcomeCounters& counters() const { return counters_; }
  const Histogram& ack_ns() const { return ack_ns_; }  ///< of requests
  const Histogram& block_transactions() const { return block_transactions_; }
  /// Whether the disk does not answer (StallWatch): transactions are refused until it does.
  bool is_stalled() const { return is_stalled_.load(std::memory_order_relaxed); }
  /// Whether everything offered was answered or handed on, after the last poll.
  bool is_idle() const { return journal_.sealer_is_idle.load(std::memory_order_acquire); }

 private:
  struct Source {
    JobRing* from;
    JobRing* back;
    AnswerRing* answers;
  };

  void watch_disk();
  unsigned take_back_blocks();
  unsigned take_answers();
  unsigned offer_hashed();
  unsigned serve_request();
  unsigned hand_over_sealed();
  void offer(const HashJob& job);
  void offer_watched(const HashJob& job);
  void watch_end_of(const ledger::OpenBlock& block);
  void judge(ledger::Decision decision);
  void submit(LedgerRequest& request, SubmitRequest& question);
  void look_up(ledger::Answer& answer);
  void deliver(const ledger::Answer& answer);

  ledger::RecentIds& ids_;
  JournalRings& journal_;
  crypto::Sha256 engine_;  // for requests, one by one
  std::vector<Source> sources_;
  SpscRing<LedgerRequest*> requests_{kSubmitted};
  std::vector<uint8_t> scratch_;
  ledger::OutcomeCounters counters_;
  Histogram ack_ns_;
  Histogram block_transactions_;
  ledger::Ingest ingest_;
  std::array<ledger::Answer, kSealBurst> taken_;  // for take_answers(): too large to be laid out in each poll
  ledger::Answer offered_;                        // to the transaction that is offered
  TransactionWatch watch_;
  bool is_watching_ = false;       // in this poll
  size_t own_answers_ = 0;         // at the front of taken_
  size_t look_ups_ = 0;            // under way
  uint64_t blocks_under_way_ = 0;  // with the journal thread
  uint64_t blocks_ended_ = 0;
  uint64_t look_ups_ended_ = 0;
  StallWatch block_watch_;
  StallWatch look_up_watch_;
  StallWatch checkpoint_watch_;
  std::atomic<bool> is_stalled_{false};
  uint64_t now_ns_ = 0;
  std::atomic<bool> stopping_{false};
  bool has_stopped_ = false;
};

}  // namespace sluice::dataplane
