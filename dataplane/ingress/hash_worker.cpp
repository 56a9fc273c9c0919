#include "dataplane/ingress/hash_worker.h"

#include <rte_prefetch.h>

#include <algorithm>
#include <array>

#include "common/check.h"
#include "dataplane/base/packet.h"
#include "dataplane/ingress/coap_limits.h"
#include "dataplane/packet/datagram.h"
#include "ledger/coap.h"

namespace sluice::dataplane {
namespace {

using ledger::Outcome;
using ledger::Requester;
using ledger::coap::Action;

constexpr uint32_t kExchanges = 32768;
constexpr uint32_t kSources = 65536;

/// Writes who sent a request. Field by field: a whole Requester that is copied would be loaded in larger
/// pieces than its fields were just stored in, which waits for the store buffer.
void describe(Requester& requester, const PacketMeta& meta, uint8_t home, uint64_t now_ns) {
  requester.channel = ledger::Channel::kNone;
  requester.home = home;
  requester.worker = meta.received_by;
  requester.ingress = meta.ingress;
  requester.port = meta.key.source_port;
  requester.device = meta.in_port;
  requester.address = meta.key.source;
  requester.exchange = {};
  requester.ticket = 0;
  requester.received_ns = now_ns;
}

bool is_coap(const HashJob& job) {
  return job.transaction.requester.channel == ledger::Channel::kCoap;
}

/// Fetches what read_framing() reads first of packets, and another CPU has written last: their buffers'
/// headers and metadata, which say where the frames are.
void fetch_headers(std::span<rte_mbuf* const> packets) {
  for (rte_mbuf* packet : packets) {
    rte_prefetch0(packet);
    rte_prefetch0(&meta_of(packet));
  }
}

/// Fetches their whole frames. Reads the headers, and waits for those that fetch_headers() has not brought
/// yet.
void fetch_bytes(std::span<rte_mbuf* const> packets) {
  for (rte_mbuf* packet : packets) {
    const auto* const bytes = rte_pktmbuf_mtod(packet, const uint8_t*);
    for (unsigned at = 0; at < packet->data_len; at += RTE_CACHE_LINE_SIZE) rte_prefetch0(bytes + at);
  }
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
      jobs_(kHashJobs),
      exchanges_(kExchanges, plan.seed),
      own_message_id_(static_cast<uint16_t>(plan.seed.k0)),
      ack_ns_(kAckBounds) {
  for (const uint16_t mtu : plan.port_mtus) most_payload_.push_back(most_coap_payload(mtu));
  fresh_.reserve(kBurst);
  free_.reserve(kHashJobs);
  for (HashJob& job : jobs_) free_.push_back(&job);
  if (plan.source_rate) {
    source_rate_.emplace(plan.source_rate->rate, plan.source_rate->burst, kSources, plan.seed,
                         plan.source_rate->prefixes);
  }
}

HashWorker::~HashWorker() {
  for (const HashJob& job : jobs_) {
    rte_pktmbuf_free(job.packet);
    rte_pktmbuf_free(job.gathered);
  }
  rte_pktmbuf_free_bulk(fetched_.data(), static_cast<unsigned>(fetched_.size()));
  rte_pktmbuf_free_bulk(fresh_.data(), static_cast<unsigned>(fresh_.size()));
}

void HashWorker::connect(PacketRing* from_worker, PacketRing* to_worker) {
  from_worker_.push_back(from_worker);
  to_worker_.push_back(to_worker);
}

unsigned HashWorker::poll(uint64_t now_ns) {
  now_ns_ = now_ns;
  take_jobs_back();
  unsigned touched = take_packets();
  if (sealer_ != nullptr) {
    touched += sealer_->poll(now_ns);
    answer_clients(sealer_->own_answers());
  }
  touched += answer_clients();
  jobs_under_way_.set(kHashJobs - free_.size() + fetched_.size());
  polls_.add();
  return touched;
}

void HashWorker::take_jobs_back() {
  std::array<HashJob*, 4 * kBurst> back;
  const size_t count = from_sealer_.pop(back);
  free_.insert(free_.end(), back.begin(), back.begin() + count);
}

/// How many packets can be taken now: each needs a free job and, where the sealer runs on this thread, room
/// for an answer.
size_t HashWorker::room() const {
  const size_t jobs = std::min<size_t>(free_.size(), kHashBurst);
  return sealer_ != nullptr ? std::min(jobs, sealer_->room()) : jobs;
}

/// Takes packets in bursts, so that each step fetches for all of them what the next one reads. Under load
/// bursts are full and fill the lanes of the engine; else nothing waits for more packets to come.
unsigned HashWorker::take_packets() {
  size_t taken = 0;
  for (size_t turn = 0; turn < from_worker_.size(); ++turn) {
    if (fetched_.empty()) {
      pop_packets();
      fetch_headers(fetched_);
      fetch_bytes(fetched_);
    }
    const std::span<rte_mbuf*> packets = fetched_.first(std::min(fetched_.size(), room()));
    fetched_ = fetched_.subspan(packets.size());
    if (packets.empty()) continue;
    hash(begin(read_framing(packets)));
    taken += packets.size();
  }
  return static_cast<unsigned>(taken + fetched_.size());  // what is in hand lets nobody rest
}

/// Takes as many packets as there is room for from one ring, the rings in turn.
void HashWorker::pop_packets() {
  PacketRing& ring = *from_worker_[next_ring_];
  next_ring_ = next_ring_ + 1 == from_worker_.size() ? 0 : next_ring_ + 1;
  fetched_ = std::span(fetched_packets_).first(ring.pop(std::span(fetched_packets_).first(room())));
}

/// Makes a job of each packet that holds a transaction, and frees the others. Returns the jobs.
std::span<HashJob*> HashWorker::read_framing(std::span<rte_mbuf*> packets) {
  size_t read = 0;
  for (rte_mbuf* packet : packets) {
    HashJob& job = *free_.back();  // there are as many as packets
    if (!read_framing(packet, job)) {
      rte_pktmbuf_free(packet);
      continue;
    }
    free_.pop_back();
    burst_[read++] = &job;
  }
  return std::span(burst_).first(read);
}

/// Prepares jobs for hashing, and gives up those that are repeats or refused. Returns the others.
std::span<HashJob*> HashWorker::begin(std::span<HashJob*> jobs) {
  size_t begun = 0;
  hash_count_ = 0;
  for (HashJob* job : jobs) {
    if (begin(*job)) {
      jobs[begun++] = job;
    } else {
      give_up(*job);
    }
  }
  return jobs.first(begun);
}

/// Finds the transaction in a packet and notes it in the job. False: there is none, or it has been refused.
bool HashWorker::read_framing(rte_mbuf* packet, HashJob& job) {
  const PacketMeta& meta = meta_of(packet);
  Requester& requester = job.transaction.requester;
  const Bytes datagram = udp_payload(packet);
  Bytes payload = datagram;
  check_index(meta.ingress, ingress_.size(), "ledger ingress");
  if (ingress_[meta.ingress].framing == Framing::kCoap) {
    check_index(meta.in_port, most_payload_.size(), "port");
    describe(requester, meta, index_, now_ns_);
    payload = read_coap(datagram, most_payload_[meta.in_port], requester);
    if (payload.empty()) return false;
    job.exchange_hash = exchanges_.hash_of(requester, datagram);
    exchanges_.prefetch(job.exchange_hash);
  } else {
    requester.channel =
        ledger::Channel::kNone;  // no answer is sent: the rest is for the rate, the profile, and traces
    requester.ingress = meta.ingress;
    requester.address = meta.key.source;
    requester.port = meta.key.source_port;
    requester.received_ns = now_ns_;
    counters_.received.add();
  }
  job.transaction.payload = payload.data();
  job.transaction.size = static_cast<uint32_t>(payload.size());
  job.packet = packet;
  return true;
}

/// Frees a job and its packet.
void HashWorker::give_up(HashJob& job) {
  rte_pktmbuf_free(job.packet);
  job.packet = nullptr;
  free_.push_back(&job);
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
bool HashWorker::is_repeated(Requester& requester, uint64_t exchange_hash) {
  const ledger::CoapExchanges::Verdict verdict = exchanges_.note(requester, exchange_hash, now_ns_);
  switch (verdict.seen) {
    case ledger::CoapExchanges::Seen::kNew:
      return false;
    case ledger::CoapExchanges::Seen::kPending:
      counters_.count(Outcome::kDuplicate);
      return true;
    case ledger::CoapExchanges::Seen::kAnswered:
      break;
  }
  counters_.count(ledger::has_receipt(verdict.outcome) ? Outcome::kDuplicate : verdict.outcome);
  send({requester, verdict.outcome, *verdict.receipt});
  return true;
}

/// Notes what of a job is to be hashed. False: it is a retransmission, or was refused.
bool HashWorker::begin(HashJob& job) {
  Requester& requester = job.transaction.requester;
  if (is_coap(job) && is_repeated(requester, job.exchange_hash)) return false;
  if (source_rate_ && !source_rate_->admit(requester.address, now_ns_)) {
    refuse(requester, Outcome::kRefusedRate);
    return false;
  }
  const Bytes payload{job.transaction.payload, job.transaction.size};
  job.transaction.profile = ingress_[requester.ingress].profile;
  const ledger::Parsed parsed = ledger::parse(job.transaction.profile, payload);
  if (!parsed.is_valid) {
    refuse(requester, Outcome::kRefusedMalformed);
    return false;
  }
  const bool is_one_piece = parsed.id_pieces[1].empty();
  job.gathered = is_one_piece ? nullptr : gather(parsed);
  if (!is_one_piece && job.gathered == nullptr) {
    refuse(requester, Outcome::kDroppedRingFull);
    return false;
  }
  const Bytes id = is_one_piece
                       ? parsed.id_pieces[0]
                       : Bytes(rte_pktmbuf_mtod(job.gathered, const uint8_t*), job.gathered->data_len);
  hashes_[hash_count_] = {id.data(), &job.transaction.txid, static_cast<uint32_t>(id.size()),
                          crypto::Prefix::none, parsed.rounds};
  hashes_[kHashBurst + hash_count_] = {payload.data(), &job.transaction.leaf_hash, job.transaction.size,
                                       crypto::Prefix::leaf, crypto::Rounds::once};
  ++hash_count_;
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

/// Hashes ids first, so that the sealer's window is fetched while leaves are hashed. The next burst is
/// fetched as well: its headers between the ids, and its bytes between the leaves. All lines are asked for a
/// few at a time, as many as the engine hashes messages at once: a CPU can have some dozens of lines under
/// way, and may drop what it is asked for beyond them. A single transaction has id and leaf hashed side by
/// side.
void HashWorker::hash(std::span<HashJob* const> jobs) {
  const auto ids = std::span(hashes_).first(jobs.size());
  const auto leaves = std::span(hashes_).subspan(kHashBurst, jobs.size());
  const bool is_alone = jobs.size() == 1;
  if (fetched_.empty()) pop_packets();
  for (size_t first = 0, end = 0; first < jobs.size(); first = end) {
    end = std::min(first + engine_.batch(), jobs.size());
    if (is_alone) {
      engine_.hash(std::array{ids.front(), leaves.front()});
    } else {
      engine_.hash(ids.subspan(first, end - first));
    }
    if (sealer_ != nullptr) sealer_->prefetch(jobs.subspan(first, end - first));
    fetch_headers(fetched_beside(first, end, jobs.size()));
  }
  for (size_t first = 0, end = 0; first < jobs.size(); first = end) {
    end = std::min(first + engine_.batch(), jobs.size());
    if (!is_alone) engine_.hash(leaves.subspan(first, end - first));
    fetch_bytes(fetched_beside(first, end, jobs.size()));
  }
  pass_on(jobs);
}

/// Those packets of the next burst that are to be fetched while jobs `first` to `end` of `jobs` are hashed:
/// one for each, and all that are left with the last job.
std::span<rte_mbuf* const> HashWorker::fetched_beside(size_t first, size_t end, size_t jobs) const {
  const size_t count = fetched_.size();
  const size_t from = std::min(first, count);
  return fetched_.subspan(from, (end == jobs ? count : std::min(end, count)) - from);
}

/// Hands hashed jobs to the sealer: by a ring, which has room for every job that exists, or directly where
/// the sealer runs on this thread.
void HashWorker::pass_on(std::span<HashJob* const> jobs) {
  if (sealer_ == nullptr) {
    check(to_sealer_.push(jobs) == jobs.size(), "the sealer's ring has room for every job");
    return;
  }
  sealer_->offer(jobs, now_ns_);
  free_.insert(free_.end(), jobs.begin(), jobs.end());
}

}  // namespace sluice::dataplane
