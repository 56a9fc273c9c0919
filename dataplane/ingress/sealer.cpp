#include "dataplane/ingress/sealer.h"

#include <algorithm>
#include <array>

#include "common/check.h"
#include "dataplane/base/free_packets.h"
#include "dataplane/worker/worker.h"

namespace sluice::dataplane {
namespace {

using ledger::Answer;
using ledger::Channel;
using ledger::Decision;
using ledger::Outcome;
using ledger::Transaction;

constexpr std::array<uint64_t, 9> kBlockBounds = {1, 4, 16, 64, 256, 1024, 4096, 16384, 65536};

LedgerRequest& request_of(const ledger::Requester& requester) {
  return *reinterpret_cast<LedgerRequest*>(requester.ticket);
}

/// Of the hash worker that runs the sealer.
bool is_own(const Answer& answer) {
  return answer.requester.channel == Channel::kCoap && answer.requester.home == 0;
}

/// The asker may free the request from here on.
void finish(LedgerRequest& request) {
  request.done.store(true, std::memory_order_release);
}

}  // namespace

Sealer::Sealer(const ledger::IngestLimits& limits, ledger::RecentIds& ids, JournalRings& journal,
               crypto::Sha256 engine)
    : ids_(ids),
      journal_(journal),
      engine_(std::move(engine)),
      scratch_(ledger::kMostPayload),
      ack_ns_(kAckBounds),
      block_transactions_(kBlockBounds),
      ingest_(limits, ids, counters_) {}

void Sealer::connect(JobRing* from, JobRing* back, AnswerRing* answers) {
  sources_.push_back({from, back, answers});
}

unsigned Sealer::poll(uint64_t now_ns) {
  now_ns_ = now_ns;
  is_watching_ = watch_.is_on();
  unsigned touched = take_back_blocks();
  touched += take_answers();
  touched += offer_hashed();
  touched += serve_request();
  if (stopping_.load(std::memory_order_acquire) && !has_stopped_) {
    has_stopped_ = true;
    ingest_.stop();
  }
  ingest_.poll(now_ns);
  touched += hand_over_sealed();
  watch_disk();
  journal_.sealer_is_idle.store(ingest_.is_idle() && look_ups_ == 0, std::memory_order_release);
  return touched;
}

/// The journal thread may itself wait for the disk, so this one looks after it: whatever was handed over must
/// come back. So must the note of a checkpoint, or the log grows and nobody can prove what is in it.
void Sealer::watch_disk() {
  const uint64_t notes = journal_.notes_begun.load(std::memory_order_acquire);
  const uint64_t notes_ended = journal_.notes_ended.load(std::memory_order_acquire);
  bool is_stalled = block_watch_.is_stalled(blocks_under_way_ > 0, blocks_ended_, now_ns_);
  is_stalled |= look_up_watch_.is_stalled(look_ups_ > 0, look_ups_ended_, now_ns_);
  is_stalled |= checkpoint_watch_.is_stalled(notes != notes_ended, notes_ended, now_ns_);
  if (is_stalled == is_stalled_.load(std::memory_order_relaxed)) return;
  is_stalled_.store(is_stalled, std::memory_order_relaxed);
  ingest_.set_stalled(is_stalled);
}

unsigned Sealer::take_back_blocks() {
  unsigned taken = 0;
  for (ledger::OpenBlock* block = nullptr; journal_.finished.pop({&block, 1}) == 1; ++taken) {
    if (block->fate == ledger::Fate::kCommitted) block_transactions_.record(block->count());
    if (is_watching_) watch_end_of(*block);
    ingest_.finish(block);
  }
  check(taken <= blocks_under_way_, "no block comes back that was not handed over");
  blocks_under_way_ -= taken;
  blocks_ended_ += taken;
  return taken;
}

/// Of a block that is back, with the transactions that are watched. Where the disk has refused it, it has
/// refused all that came after.
void Sealer::watch_end_of(const ledger::OpenBlock& block) {
  if (block.fate == ledger::Fate::kCommitted) {
    watch_.durable(block.first_index(), block.tree_size(), now_ns_);
  } else if (!block.is_taken_back) {
    watch_.refused(block.first_index(), Outcome::kDroppedDiskFull, now_ns_);
  }
}

/// Answers that every hash worker's ring has room for; the producer's view errs on the safe side.
size_t Sealer::room() const {
  size_t least = kSealBurst;
  for (const Source& source : sources_) {
    least = std::min(least, source.answers->capacity() - source.answers->size());
  }
  return least;
}

unsigned Sealer::take_answers() {
  const std::span<Answer> room_for = std::span(taken_).first(room());
  const size_t looked_up = journal_.looked_up.pop(room_for);
  check(looked_up <= look_ups_, "no look-up comes back that was not asked for");
  look_ups_ -= looked_up;
  look_ups_ended_ += looked_up;
  size_t count = looked_up + ingest_.take_answers(room_for.subspan(looked_up));
  if (is_stalled()) count += ingest_.tell_stalled(room_for.subspan(count));
  if (is_watching_) {
    for (const Answer& answer : room_for.first(count)) watch_.answered(answer, now_ns_);
  }
  own_answers_ = 0;
  for (Answer& answer : room_for.first(count)) {
    if (!is_own(answer)) {
      deliver(answer);
      continue;
    }
    Answer& place = taken_[own_answers_++];
    if (&place != &answer) place = answer;
  }
  return static_cast<unsigned>(count);
}

unsigned Sealer::offer_hashed() {
  size_t offered = 0;
  for (const Source& source : sources_) {
    std::array<HashJob*, kSealBurst> buffer;
    const std::span<HashJob*> jobs =
        std::span(buffer).first(source.from->pop(std::span(buffer).first(room())));
    prefetch(jobs);
    offer(jobs, now_ns_);
    source.back->push(jobs);
    offered += jobs.size();
  }
  return static_cast<unsigned>(offered);
}

void Sealer::prefetch(std::span<HashJob* const> jobs) {
  for (HashJob* job : jobs) job->home = ingest_.prefetch(job->transaction.txid, job->transaction.profile);
}

void Sealer::offer(std::span<HashJob* const> jobs, uint64_t now_ns) {
  now_ns_ = now_ns;
  is_watching_ = watch_.is_on();
  ingest_.poll(now_ns);  // a block that is due waits for nobody
  check(jobs.size() <= kSealBurst, "no more is offered than the sealer has room for");
  std::array<rte_mbuf*, 2 * kSealBurst> packets;
  unsigned count = 0;
  for (HashJob* job : jobs) {
    offer(*job);
    packets[count++] = job->packet;
    if (job->gathered != nullptr) packets[count++] = job->gathered;
    job->packet = job->gathered = nullptr;
  }
  free_packets(std::span(packets).first(count));
}

void Sealer::offer(const HashJob& job) {
  if (is_watching_ && watch_.has(job.transaction.txid)) return offer_watched(job);
  judge(ingest_.offer(job.transaction, job.home, now_ns_, offered_));
}

void Sealer::offer_watched(const HashJob& job) {
  const uint64_t index = ids_.next_index();
  const Decision decision = ingest_.offer(job.transaction, job.home, now_ns_, offered_);
  const bool is_new = ids_.next_index() != index;
  watch_.offered(job.transaction, is_new ? std::optional(index) : std::nullopt,
                 decision == Decision::kAnswered ? &offered_ : nullptr, now_ns_);
  judge(decision);
}

/// Of a transaction whose answer, if there is one yet, is `offered_`.
void Sealer::judge(Decision decision) {
  switch (decision) {
    case Decision::kUnderWay:
      return;
    case Decision::kAnswered:
      return deliver(offered_);
    case Decision::kLookUp:
      return look_up(offered_);
  }
}

/// No more at once than `looked_up` has room for, so that the journal thread can always give one back. A
/// repeat beyond that is told to come again: a slow disk must not hold up what needs no look at it.
void Sealer::look_up(Answer& answer) {
  if (answer.requester.channel == Channel::kNone) return;
  if (look_ups_ == journal_.looked_up.capacity()) {
    answer.outcome = Outcome::kDroppedRingFull;
    return deliver(answer);
  }
  ++look_ups_;
  journal_.to_look_up.push(answer);
}

void Sealer::deliver(const Answer& answer) {
  switch (answer.requester.channel) {
    case Channel::kNone:
      return;
    case Channel::kCoap:
      check_index(answer.requester.home, sources_.size(), "hash worker");
      check(sources_[answer.requester.home].answers->push(answer),
            "answers are only taken where there is room");
      return;
    case Channel::kControl:
      if (ledger::has_receipt(answer.outcome)) ack_ns_.record(now_ns_ - answer.requester.received_ns);
      LedgerRequest& request = request_of(answer.requester);
      std::get<SubmitRequest>(request.question).answer = answer;
      finish(request);
  }
}

/// One a poll: a request may be as long as fifty packets.
unsigned Sealer::serve_request() {
  LedgerRequest* request = nullptr;
  if (room() == 0 || requests_.pop({&request, 1}) == 0) return 0;
  if (auto* const question = std::get_if<SubmitRequest>(&request->question)) {
    submit(*request, *question);
  } else if (auto* const search = std::get_if<LocateRequest>(&request->question)) {
    search->index = ingest_.locate(search->txid, search->profile);
    finish(*request);
  }
  return 1;
}

void Sealer::submit(LedgerRequest& request, SubmitRequest& question) {
  counters_.received.add();
  Transaction transaction{
      question.payload.data(), static_cast<uint32_t>(question.payload.size()), question.profile, {}, {}, {}};
  transaction.requester.channel = Channel::kControl;
  transaction.requester.ticket = reinterpret_cast<uint64_t>(&request);
  transaction.requester.received_ns = now_ns_;
  const ledger::Parsed parsed = ledger::parse(question.profile, question.payload);
  if (!parsed.is_valid) {
    counters_.count(Outcome::kRefusedMalformed);
    return deliver({transaction.requester, Outcome::kRefusedMalformed, {}});
  }
  const std::span<const uint8_t> id = ledger::id_bytes(parsed, scratch_);
  const crypto::Message messages[] = {
      {id.data(), &transaction.txid, static_cast<uint32_t>(id.size()), crypto::Prefix::none, parsed.rounds},
      {transaction.payload, &transaction.leaf_hash, transaction.size, crypto::Prefix::leaf,
       crypto::Rounds::once}};
  engine_.hash(messages);
  judge(ingest_.offer(transaction, now_ns_, offered_));
}

void Sealer::refuse_requests() {
  for (LedgerRequest* request = nullptr; requests_.pop({&request, 1}) == 1;) {
    if (auto* const question = std::get_if<SubmitRequest>(&request->question)) {
      question->answer.outcome = Outcome::kDroppedStopping;
    }
    finish(*request);
  }
}

unsigned Sealer::hand_over_sealed() {
  unsigned handed = 0;
  for (ledger::OpenBlock* block; (block = ingest_.take_sealed()) != nullptr; ++handed) {
    if (is_watching_) watch_.sealed(block->first_index(), block->tree_size(), now_ns_);
    check(journal_.sealed.push(block), "the journal's ring has room for every block");
  }
  blocks_under_way_ += handed;
  return handed;
}

}  // namespace sluice::dataplane
