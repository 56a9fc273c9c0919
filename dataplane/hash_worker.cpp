#include "dataplane/hash_worker.h"

#include <rte_prefetch.h>

#include <algorithm>
#include <array>

#include "dataplane/coap_limits.h"
#include "dataplane/datagram.h"
#include "dataplane/packet.h"
#include "ledger/coap.h"

namespace sluice::dataplane {
namespace {

using ledger::Answer;
using ledger::Outcome;
using ledger::Requester;
using ledger::coap::Action;

constexpr uint32_t kExchanges = 32768;
constexpr uint32_t kSources = 65536;

Requester requester_of(const PacketMeta& meta, uint8_t home, uint64_t now_ns) {
  Requester requester;
  requester.home = home;
  requester.worker = meta.received_by;
  requester.ingress = meta.ingress;
  requester.port = meta.key.source_port;
  requester.device = meta.in_port;
  requester.address = meta.key.source;
  requester.received_ns = now_ns;
  return requester;
}

uint8_t retry_seconds(Outcome outcome) {
  return outcome == Outcome::kDroppedDiskFull ? kFullRetrySeconds : kBusyRetrySeconds;
}

}  // namespace

HashWorker::HashWorker(const HashWorkerPlan& plan, crypto::Sha256 engine)
    : index_(plan.index),
      pool_(plan.pool),
      to_sealer_(*plan.to_sealer),
      from_sealer_(*plan.from_sealer),
      answers_(*plan.answers),
      sealer_(plan.sealer),
      engine_(std::move(engine)),
      batcher_(engine_, plan.most_delay_ns),
      jobs_(kHashJobs),
      exchanges_(kExchanges, plan.seed),
      own_message_id_(static_cast<uint16_t>(plan.seed.k0)),
      ack_ns_(kAckBounds) {
  for (const uint16_t mtu : plan.port_mtus) most_payload_.push_back(most_coap_payload(mtu));
  free_.reserve(kHashJobs);
  for (HashJob& job : jobs_) free_.push_back(&job);
  if (plan.source_rate) {
    source_rate_.emplace(plan.source_rate->rate, plan.source_rate->burst, kSources, plan.seed);
  }
}

HashWorker::~HashWorker() {
  for (const HashJob& job : jobs_) {
    rte_pktmbuf_free(job.packet);
    rte_pktmbuf_free(job.gathered);
  }
}

void HashWorker::connect(PacketRing* from_worker, PacketRing* to_worker) {
  from_worker_.push_back(from_worker);
  to_worker_.push_back(to_worker);
}

unsigned HashWorker::poll(uint64_t now_ns) {
  now_ns_ = now_ns;
  take_jobs_back();
  unsigned touched = take_packets();
  // While nothing comes, waiting fills no lane.
  pass_on(touched == 0 ? batcher_.flush() : batcher_.poll(now_ns));
  if (sealer_ != nullptr) touched += sealer_->poll(now_ns);
  touched += answer_clients();
  jobs_under_way_.set(kHashJobs - free_.size());
  polls_.add();
  return touched;
}

void HashWorker::take_jobs_back() {
  std::array<HashJob*, 4 * kBurst> back;
  const size_t count = from_sealer_.pop(back);
  free_.insert(free_.end(), back.begin(), back.begin() + count);
}

unsigned HashWorker::take_packets() {
  size_t taken = 0;
  for (PacketRing* ring : from_worker_) {
    if (free_.size() < kBurst) pass_on(batcher_.flush());  // the sealer gives jobs back that it has seen
    std::array<rte_mbuf*, kBurst> buffer;
    const size_t room = std::min<size_t>(free_.size(), kBurst);
    const std::span<rte_mbuf*> packets = std::span(buffer).first(ring->pop(std::span(buffer).first(room)));
    // They come from another CPU's cache.
    for (rte_mbuf* packet : packets) {
      rte_prefetch0(packet);
      rte_prefetch0(&meta_of(packet));
    }
    for (rte_mbuf* packet : packets) rte_prefetch0(rte_pktmbuf_mtod(packet, void*));
    for (rte_mbuf* packet : packets) take(packet);
    taken += packets.size();
  }
  return static_cast<unsigned>(taken);
}

void HashWorker::take(rte_mbuf* packet) {
  const PacketMeta& meta = meta_of(packet);
  Requester requester = requester_of(meta, index_, now_ns_);
  Bytes payload = udp_payload(packet);
  bool goes_on = true;
  if (ingress_[meta.ingress].framing == Framing::kCoap) {
    payload = read_coap(payload, most_payload_[meta.in_port], requester);
    goes_on = !payload.empty() && !is_repeated(requester);
  } else {
    counters_.received.add();
  }
  if (goes_on && source_rate_ && !source_rate_->admit(requester.address, now_ns_)) {
    refuse(requester, Outcome::kRefusedRate);
    goes_on = false;
  }
  if (!goes_on || !begin(packet, payload, requester)) rte_pktmbuf_free(packet);
}

/// The transaction in a CoAP request; empty where there is none, or it has been refused.
HashWorker::Bytes HashWorker::read_coap(Bytes datagram, size_t most_payload, Requester& requester) {
  const ledger::coap::Request request = ledger::coap::parse(datagram, most_payload);
  requester.channel = ledger::Channel::kCoap;
  requester.exchange = request.exchange;
  if (request.is_received) counters_.received.add();
  if (request.action == Action::kSubmit) return request.payload;
  if (request.is_received) counters_.count(request.outcome);
  if (request.action == Action::kAnswer) send({requester, request.outcome, {}});
  if (request.action == Action::kReset) {
    std::array<uint8_t, ledger::coap::kMostAnswerBytes> message;
    send(requester, Bytes(message).first(ledger::coap::write_reset(request.exchange, message)));
  }
  return {};
}

/// Whether a request is a retransmission; it is answered then as the first was, once that is known.
bool HashWorker::is_repeated(const Requester& requester) {
  const ledger::CoapExchanges::Verdict verdict = exchanges_.note(requester, now_ns_);
  switch (verdict.seen) {
    case ledger::CoapExchanges::Seen::kNew:
      return false;
    case ledger::CoapExchanges::Seen::kPending:
      counters_.count(Outcome::kDuplicate);
      return true;
    case ledger::CoapExchanges::Seen::kAnswered:
      break;
  }
  const Outcome first = verdict.answer->outcome;
  counters_.count(ledger::has_receipt(first) ? Outcome::kDuplicate : first);
  send({requester, first, verdict.answer->receipt});
  return true;
}

/// False: the transaction was refused, and nobody needs the packet.
bool HashWorker::begin(rte_mbuf* packet, Bytes payload, const Requester& requester) {
  const ledger::Profile profile = ingress_[requester.ingress].profile;
  const ledger::Parsed parsed = ledger::parse(profile, payload);
  if (!parsed.is_valid) {
    refuse(requester, Outcome::kRefusedMalformed);
    return false;
  }
  const bool is_one_piece = parsed.id_pieces[1].empty();
  rte_mbuf* const gathered = is_one_piece ? nullptr : gather(parsed);
  if (!is_one_piece && gathered == nullptr) {
    refuse(requester, Outcome::kDroppedRingFull);
    return false;
  }
  HashJob& job = *free_.back();  // take_packets() takes no more than there are
  free_.pop_back();
  job = {{payload.data(), static_cast<uint32_t>(payload.size()), profile, {}, {}, requester},
         packet,
         gathered,
         2};
  const Bytes id = is_one_piece ? parsed.id_pieces[0]
                                : Bytes(rte_pktmbuf_mtod(gathered, const uint8_t*), gathered->data_len);
  hash(job, {payload.data(), &job.transaction.leaf_hash, job.transaction.size, crypto::Prefix::leaf,
             crypto::Rounds::once});
  hash(job, {id.data(), &job.transaction.txid, static_cast<uint32_t>(id.size()), crypto::Prefix::none,
             parsed.rounds});
  return true;
}

rte_mbuf* HashWorker::gather(const ledger::Parsed& parsed) {
  rte_mbuf* const buffer = rte_pktmbuf_alloc(pool_);
  if (buffer == nullptr) return nullptr;
  auto* const room = rte_pktmbuf_mtod(buffer, uint8_t*);  // for any frame, and so for a part of one
  const Bytes bytes = ledger::id_bytes(parsed, {room, rte_pktmbuf_tailroom(buffer)});
  rte_pktmbuf_append(buffer, static_cast<uint16_t>(bytes.size()));
  return buffer;
}

void HashWorker::hash(HashJob& job, const crypto::Message& message) {
  pass_on(batcher_.add(message, static_cast<uint32_t>(&job - jobs_.data()), now_ns_));
}

/// The ring has room for every job that there is.
void HashWorker::pass_on(crypto::HashBatcher::Finished finished) {
  for (const uint32_t tag : finished) {
    HashJob& job = jobs_[tag];
    if (--job.missing == 0) to_sealer_.push(&job);
  }
}

void HashWorker::refuse(const Requester& requester, Outcome outcome) {
  counters_.count(outcome);
  answer({requester, outcome, {}});
}

unsigned HashWorker::answer_clients() {
  const std::span<Answer> answers = std::span(taken_).first(answers_.pop(taken_));
  for (const Answer& one : answers) answer(one);
  return static_cast<unsigned>(answers.size());
}

void HashWorker::answer(const Answer& answer) {
  if (answer.requester.channel != ledger::Channel::kCoap) return;
  exchanges_.answered(answer);
  if (ledger::has_receipt(answer.outcome)) ack_ns_.record(now_ns_ - answer.requester.received_ns);
  send(answer);
}

void HashWorker::send(const Answer& answer) {
  namespace coap = ledger::coap;
  std::array<uint8_t, coap::kMostAnswerBytes> message;
  const coap::Exchange& exchange = answer.requester.exchange;
  size_t size = 0;
  if (ledger::has_receipt(answer.outcome)) {
    size = coap::write_receipt(exchange, own_message_id_++, answer.receipt, message);
  } else {
    const bool is_rate = answer.outcome == Outcome::kRefusedRate;
    const uint8_t max_age = is_rate ? source_rate_->retry_seconds() : retry_seconds(answer.outcome);
    size = coap::write_refusal(exchange, own_message_id_++, coap::refusal_of(answer.outcome), answer.outcome,
                               max_age, message);
  }
  send(answer.requester, Bytes(message).first(size));
}

void HashWorker::send(const Requester& to, Bytes message) {
  const Ingress& from = ingress_[to.ingress];
  rte_mbuf* const packet = make_datagram(pool_, {from.address, from.port}, {to.address, to.port}, message);
  if (packet == nullptr) return answers_lost_.add();
  meta_of(packet) = {};
  meta_of(packet).in_port = static_cast<uint8_t>(to.device);
  if (to_worker_[to.worker]->push(packet)) return;
  rte_pktmbuf_free(packet);
  answers_lost_.add();
}

}  // namespace sluice::dataplane
