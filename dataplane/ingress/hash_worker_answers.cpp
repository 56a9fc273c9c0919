// The way back through a hash worker: from answers to packets for clients.
#include <algorithm>
#include <array>

#include "common/check.h"
#include "dataplane/base/packet.h"
#include "dataplane/ingress/coap_limits.h"
#include "dataplane/ingress/hash_worker.h"
#include "dataplane/packet/datagram.h"
#include "ledger/coap.h"

namespace sluice::dataplane {
namespace {

using ledger::Answer;
using ledger::Outcome;
using ledger::Requester;

constexpr uint64_t kNanosecondsPerSecond = 1'000'000'000;
constexpr unsigned kAnswerPacketBytes = 3 * RTE_CACHE_LINE_SIZE;  // of most answers: headers and a receipt

/// How many answers ahead the room in a buffer is fetched. The buffer's header, which says where the room is,
/// is fetched twice as far ahead. No farther, since a CPU can have some dozens of lines under way, and may
/// drop what it is asked for beyond them.
constexpr size_t kFetchedAhead = 4;

/// Fetches what the allocation of a buffer writes: another CPU has written it last.
inline __attribute__((always_inline)) void fetch_header(rte_mbuf* packet) {
  __builtin_prefetch(packet, 1);
  __builtin_prefetch(&packet->cacheline1, 1);
  __builtin_prefetch(&meta_of(packet), 1);
}

/// Fetches the room in a buffer that an answer is written to.
inline __attribute__((always_inline)) void fetch_room(rte_mbuf* packet) {
  const auto* const room = static_cast<const uint8_t*>(packet->buf_addr) + RTE_PKTMBUF_HEADROOM;
  for (unsigned at = 0; at < kAnswerPacketBytes; at += RTE_CACHE_LINE_SIZE) __builtin_prefetch(room + at, 1);
}

}  // namespace

void HashWorker::refuse(const Requester& requester, Outcome outcome) {
  counters_.count(outcome);
  answer({requester, outcome, {}});
}

unsigned HashWorker::answer_clients() {
  const size_t count = answers_.pop(taken_);
  answer_clients(std::span(taken_).first(count));
  return static_cast<unsigned>(count);
}

void HashWorker::answer_clients(std::span<const Answer> answers) {
  while (!answers.empty()) {
    const auto burst = answers.first(std::min<size_t>(answers.size(), kBurst));
    take_buffers(burst.size());
    for (size_t i = 0; i < 2 * kFetchedAhead; ++i) fetch(burst, 0, i);
    for (size_t i = 0; i < burst.size(); ++i) {
      fetch(burst, i, i + 2 * kFetchedAhead);
      answer(burst[i]);
    }
    answers = answers.subspan(burst.size());
  }
}

/// Takes `count` buffers for answers from the pool, or none where it has fewer.
void HashWorker::take_buffers(size_t count) {
  fresh_.resize(count);
  auto** const buffers = reinterpret_cast<void**>(fresh_.data());
  if (rte_mempool_get_bulk(pool_, buffers, static_cast<unsigned>(count)) != 0) fresh_.clear();
}

/// One step of fetching, while answer `next` is the one to be written: for answer `farthest` its exchange and
/// the header of its buffer, and the room in the buffer of the answer kFetchedAhead before it.
void HashWorker::fetch(std::span<const Answer> answers, size_t next, size_t farthest) const {
  if (farthest < answers.size()) {
    exchanges_.prefetch(answers[farthest]);
    if (farthest - next < fresh_.size()) fetch_header(fresh_[fresh_.size() - 1 - (farthest - next)]);
  }
  if (farthest < next + kFetchedAhead) return;
  const size_t nearer = farthest - kFetchedAhead - next;
  if (nearer < fresh_.size()) fetch_room(fresh_[fresh_.size() - 1 - nearer]);
}

void HashWorker::answer(const Answer& answer) {
  if (answer.requester.channel != ledger::Channel::kCoap) return;
  const bool is_for_now = ledger::is_for_now(answer.outcome);
  exchanges_.answered(
      answer, is_for_now ? now_ns_ + retry_seconds(answer.outcome) * kNanosecondsPerSecond : UINT64_MAX);
  if (ledger::has_receipt(answer.outcome)) ack_ns_.record(now_ns_ - answer.requester.received_ns);
  send(answer);
}

/// Max-Age: when a transaction that was refused for now is worth another try.
uint8_t HashWorker::retry_seconds(Outcome outcome) const {
  if (outcome == Outcome::kRefusedRate) return source_rate_->retry_seconds();
  return outcome == Outcome::kDroppedDiskFull ? kFullRetrySeconds : kBusyRetrySeconds;
}

void HashWorker::send(const Answer& answer) {
  namespace coap = ledger::coap;
  std::array<uint8_t, coap::kMostAnswerBytes> message;
  const coap::Exchange& exchange = answer.requester.exchange;
  size_t size = 0;
  if (ledger::has_receipt(answer.outcome)) {
    size = coap::write_receipt(exchange, own_message_id_++, answer.receipt, message);
  } else {
    size = coap::write_refusal(exchange, own_message_id_++, coap::refusal_of(answer.outcome), answer.outcome,
                               retry_seconds(answer.outcome), message);
  }
  send(answer.requester, Bytes(message).first(size));
}

/// Null where the pool is empty.
rte_mbuf* HashWorker::fresh_packet() {
  if (fresh_.empty()) return rte_pktmbuf_alloc(pool_);
  rte_mbuf* const packet = fresh_.back();
  fresh_.pop_back();
  rte_pktmbuf_reset(packet);
  return packet;
}

void HashWorker::send(const Requester& to, Bytes message) {
  check_index(to.ingress, ingress_.size(), "ledger ingress");
  check_index(to.worker, to_worker_.size(), "worker");
  const Ingress& from = ingress_[to.ingress];
  rte_mbuf* const packet = fresh_packet();
  if (packet == nullptr) return answers_lost_.add();
  write_datagram(packet, {from.address, from.port}, {to.address, to.port}, message);
  meta_of(packet) = {};
  meta_of(packet).in_port = static_cast<uint8_t>(to.device);
  if (to_worker_[to.worker]->push(packet)) return;
  rte_pktmbuf_free(packet);
  answers_lost_.add();
}

}  // namespace sluice::dataplane
