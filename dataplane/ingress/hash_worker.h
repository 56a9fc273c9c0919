// The role of a hash worker: from packets for an ingress to hashed transactions, and from answers to packets
// for clients. On an lcore of its own, or within an rx worker. All transactions of a source meet here, so
// that its rate and its CoAP exchanges are known (docs/decisions/0011).
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "common/histogram.h"
#include "crypto/sha256.h"
#include "dataplane/ingress/hash_job.h"
#include "dataplane/ingress/sealer.h"
#include "dataplane/tables/ledger_config.h"
#include "dataplane/worker/worker.h"
#include "ledger/coap_exchanges.h"
#include "ledger/source_rate.h"

namespace sluice::dataplane {

/// What a hash worker is made from. Pointers and spans outlive it.
struct HashWorkerPlan {
  uint8_t index = 0;
  rte_mempool* pool = nullptr;          ///< for answers
  std::span<const uint16_t> port_mtus;  ///< by configured port
  std::optional<SourceRateLimit> source_rate;
  SipKey seed;
  JobRing* to_sealer = nullptr;
  JobRing* from_sealer = nullptr;
  AnswerRing* answers = nullptr;
  Sealer* sealer = nullptr;  ///< that it runs too: the first one
};

class HashWorker {
 public:
  /// Allocates all there will ever be.
  HashWorker(const HashWorkerPlan& plan, crypto::Sha256 engine);
  ~HashWorker();

  /// Before the first poll. Rings by worker: what they received, and what they are to send.
  void connect(PacketRing* from_worker, PacketRing* to_worker);
  /// Before the first poll: Tables::ingress.
  void serve(std::span<const Ingress> ingress) { ingress_ = ingress; }

  /// One round; `now_ns` is monotonic. Returns how many transactions and answers it touched.
  unsigned poll(uint64_t now_ns);

  // For any thread.
  const ledger::OutcomeCounters& counters() const { return counters_; }
  const Histogram& ack_ns() const { return ack_ns_; }
  /// Answers that a ring or the pool had no room for: their clients ask again.
  const Counter& answers_lost() const { return answers_lost_; }
  const Counter& polls() const { return polls_; }
  /// Transactions that the sealer has not seen, after the last poll.
  uint64_t jobs() const { return jobs_under_way_.read(); }

 private:
  using Bytes = std::span<const uint8_t>;

  void take_jobs_back();
  unsigned take_packets();
  void pop_packets();
  size_t room() const;
  std::span<HashJob*> read_framing(std::span<rte_mbuf*> packets);
  std::span<HashJob*> begin(std::span<HashJob*> jobs);
  bool read_framing(rte_mbuf* packet, HashJob& job);
  Bytes read_coap(Bytes datagram, size_t most_payload, ledger::Requester& requester);
  bool is_repeated(ledger::Requester& requester, uint64_t exchange_hash);
  bool begin(HashJob& job);
  void give_up(HashJob& job);
  rte_mbuf* gather(const ledger::Parsed& parsed);
  void hash(std::span<HashJob* const> jobs);
  std::span<rte_mbuf* const> fetched_beside(size_t first, size_t end, size_t jobs) const;
  void pass_on(std::span<HashJob* const> jobs);
  void refuse(const ledger::Requester& requester, ledger::Outcome outcome);
  unsigned answer_clients();
  void answer_clients(std::span<const ledger::Answer> answers);
  void take_buffers(size_t count);
  void fetch(std::span<const ledger::Answer> answers, size_t next, size_t farthest) const;
  void answer(const ledger::Answer& answer);
  rte_mbuf* fresh_packet();
  uint8_t retry_seconds(ledger::Outcome outcome) const;
  void send(const ledger::Answer& answer);
  void send(const ledger::Requester& to, Bytes message);

  uint8_t index_;
  rte_mempool* pool_;
  std::vector<size_t> most_payload_;  // by configured port
  std::vector<PacketRing*> from_worker_;
  std::vector<PacketRing*> to_worker_;
  JobRing& to_sealer_;
  JobRing& from_sealer_;
  AnswerRing& answers_;
  Sealer* sealer_;
  std::span<const Ingress> ingress_;

  crypto::Sha256 engine_;
  std::vector<HashJob> jobs_;
  std::vector<HashJob*> free_;
  std::array<rte_mbuf*, kHashBurst> fetched_packets_;
  std::span<rte_mbuf*> fetched_;  // of them: taken from a ring, not yet read
  size_t next_ring_ = 0;
  std::array<HashJob*, kHashBurst> burst_;              // what take_packets() has in hand
  std::array<crypto::Message, 2 * kHashBurst> hashes_;  // its ids, and its leaves behind them
  size_t hash_count_ = 0;                               // of ids so far
  std::vector<rte_mbuf*> fresh_;                        // for answers, at most a burst; as the pool has them
  std::array<ledger::Answer, kSealBurst>
      taken_;  // for answer_clients(): too large to be laid out in each poll
  ledger::CoapExchanges exchanges_;
  std::optional<ledger::SourceRate> source_rate_;
  uint16_t own_message_id_;
  uint64_t now_ns_ = 0;

  ledger::OutcomeCounters counters_;
  Histogram ack_ns_;
  Counter answers_lost_;
  Counter polls_;
  Gauge jobs_under_way_;
};

}  // namespace sluice::dataplane
