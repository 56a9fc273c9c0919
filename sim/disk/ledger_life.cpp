#include "sim/disk/ledger_life.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>

#include "crypto/sha256_openssl.h"
#include "ledger/record_reader.h"

namespace sluice::sim {
namespace {

constexpr uint64_t kWindow = 100'000;                   ///< more than a life has transactions
constexpr uint64_t kLeastWindow = 8, kMostWindow = 64;  ///< where it is one that forgets
constexpr unsigned kMostStarts = 12, kMostSteps = 60;
constexpr uint32_t kExchanges = 64;
constexpr size_t kRemembered = 20;           ///< messages that may be sent again
constexpr uint64_t kPatienceNs = 4'000'000;  ///< steps of a millisecond

std::span<const uint8_t> bytes_of(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

crypto::Sha256 make_engine() {
  return std::move(*crypto::Sha256::create(crypto::Sha256Engine::openssl));
}

ledger::JournalSettings settings(const std::string& directory) {
  ledger::JournalSettings settings{.directory = directory};
  settings.segment_bytes = 32'768;
  settings.allocate_bytes = 8192;
  settings.checkpoint_interval_ns = 0;
  settings.checkpoint_patience_ns = kPatienceNs;
  return settings;
}

ledger::IngestLimits limits() {
  ledger::IngestLimits limits;
  limits.seal = {8, 1 << 16};
  limits.delay_ns = 1000;
  limits.blocks = 4;
  limits.waiters = 64;
  return limits;
}

uint64_t draw_window(uint64_t seed) {
  Chance chance(seed ^ 0x77696e646f77);
  return chance.happens(300) ? chance.between(kLeastWindow, kMostWindow) : kWindow;
}

}  // namespace

/// What ends with a power cut.
struct LedgerLife::Process {
  struct Free {
    void operator()(std::byte* memory) const { ::operator delete[](memory, std::align_val_t{64}); }
  };
  Process(uint64_t seed, uint64_t window)
      : capacity{window, limits().most_in_flight()},
        bytes(ledger::RecentIds::bytes_needed(capacity)),
        memory(new (std::align_val_t{64}) std::byte[bytes]),
        ids(capacity, {memory.get(), bytes}, {seed, seed + 1}) {}

  ledger::RecentIds::Capacity capacity;
  size_t bytes;
  std::unique_ptr<std::byte[], Free> memory;
  ledger::RecentIds ids;
  ledger::CoapExchanges exchanges{kExchanges, {}};
  ledger::OutcomeCounters counters;
  std::unique_ptr<ledger::Journal> journal;
  std::unique_ptr<ledger::Ingest> ingest;
};

LedgerLife::LedgerLife(uint64_t seed, std::string directory, Trace& trace)
    : seed_(seed),
      chance_(seed ^ 0x6c6564676572),
      directory_(std::move(directory)),
      trace_(trace),
      disk_(directory_, chance_.branch()),
      window_(draw_window(seed)),
      promises_(directory_, window_, trace, [this](const std::string& what) { violate(what); }),
      signer_(std::move(*crypto::NoteSigner::generate("simulated.example/log"))) {}

LedgerLife::~LedgerLife() = default;

void LedgerLife::violate(const std::string& what) {
  trace_.say(now_ns_, "VIOLATION: " + what);
  throw Violation{"ledger: " + what};
}

void LedgerLife::live() {
  const auto starts = static_cast<unsigned>(chance_.between(2, kMostStarts));
  for (unsigned start = 0; start < starts; ++start) {
    const bool is_last = start + 1 == starts;
    if (!is_last && chance_.happens(850)) disk_.cut_after(chance_.between(1, 120));
    if (promises_.has_checkpoint() && chance_.happens(200)) begin_with_another_key();
    begin_process();
    if (process_->journal) work(static_cast<unsigned>(chance_.between(1, kMostSteps)));
    trace_.say(now_ns_, disk_.is_cut() ? "the power goes" : "the process ends");
    process_.reset();
    if (disk_.is_cut() || chance_.happens(500)) disk_.restore();
  }
}

std::map<std::string, std::string> LedgerLife::files() const {
  std::map<std::string, std::string> all;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory_)) {
    if (!entry.is_regular_file() || entry.path().filename() == "lock") continue;
    std::ifstream file(entry.path(), std::ios::binary);
    all[entry.path()] = {std::istreambuf_iterator<char>(file), {}};
  }
  return all;
}

/// A start that is refused changes no byte but the lock.
void LedgerLife::begin_with_another_key() {
  const auto before = files();
  const auto another = std::make_unique<Process>(seed_, window_);
  auto journal = ledger::Journal::open(disk_, settings(directory_),
                                       std::move(*crypto::NoteSigner::generate("simulated.example/log")),
                                       make_engine(), another->ids);
  if (journal) violate("it starts with another key");
  if (files() != before) violate("a start that was refused has changed files");
  trace_.say(now_ns_, "a start with another key is refused");
}

void LedgerLife::begin_process() {
  process_ = std::make_unique<Process>(seed_, window_);
  disk_.set_full(false);
  disk_.refuse_files(false);
  without_room_ns_.reset();
  refused_from_ = UINT64_MAX;
  auto signer = crypto::NoteSigner::parse(signer_.private_line().reveal());
  auto journal =
      ledger::Journal::open(disk_, settings(directory_), std::move(*signer), make_engine(), process_->ids);
  by_ticket_.clear();
  if (!journal) {
    if (!disk_.is_cut()) violate("it does not start: " + journal.error().message);
    return;
  }
  process_->journal = std::move(*journal);
  segments_ = 0;
  check_segments();
  process_->ingest = std::make_unique<ledger::Ingest>(limits(), process_->ids, process_->counters);
  trace_.say(now_ns_, "a process begins with " + std::to_string(process_->journal->durable().tree_size) +
                          " transactions");
  check_after_start();
}

void LedgerLife::work(unsigned steps) {
  for (unsigned step = 0; step < steps; ++step) {
    now_ns_ += 1'000'000;
    switch (chance_.below(8)) {
      case 0:
      case 1:
      case 2:
        for (auto left = chance_.between(1, 12); left > 0; --left) offer();
        break;
      case 3:
      case 4:
        append();
        break;
      case 5:
        if (ledger::SyncTask* const task = process_->journal->begin_sync()) {
          task->run();
          process_->journal->end(task);
        }
        take_answers();
        break;
      case 6:
        release();
        break;
      default:
        disk_.set_full(chance_.happens(200));
        disk_.refuse_files(chance_.happens(300));
        process_->journal->look_for_room(now_ns_);
    }
    if (process_->journal->failure() && !disk_.is_cut()) {
      violate("the journal fails on a disk that does not: " + process_->journal->failure()->message);
    }
  }
}

/// A client's message: Message IDs and tokens are few, so that other transactions come under used ones; one
/// in some is sent again as it was.
LedgerLife::Message LedgerLife::draw_message() {
  if (!sent_.empty() && chance_.happens(150)) return chance_.pick(sent_);
  Message message;
  const bool is_repeat = next_payload_ > 0 && chance_.happens(200);
  const uint64_t number = is_repeat ? chance_.below(next_payload_) : next_payload_++;
  message.payload = "transaction " + std::to_string(number);
  message.payload.resize(message.payload.size() + number * 37 % 900, '.');
  ledger::Requester& requester = message.requester;
  requester.channel = ledger::Channel::kCoap;
  requester.address = IpAddress::v4(Be32::from_host(0xc6120a00 + static_cast<uint32_t>(chance_.below(3))));
  requester.port = Be16::from_host(5683);
  requester.exchange.message_id = static_cast<uint16_t>(chance_.below(6));
  requester.exchange.token_size = 1;
  requester.exchange.token[0] = static_cast<uint8_t>(chance_.below(3));
  sent_.push_back(message);
  if (sent_.size() > kRemembered) sent_.pop_front();
  return message;
}

void LedgerLife::offer() {
  Message message = draw_message();
  const std::string& payload = message.payload;
  const std::string bytes = std::to_string(message.requester.exchange.message_id) + "/" +
                            std::to_string(message.requester.exchange.token[0]) + "/" + payload;
  ledger::CoapExchanges& exchanges = process_->exchanges;
  const uint64_t hash = exchanges.hash_of(message.requester, bytes_of(bytes));
  const auto verdict = exchanges.note(message.requester, hash, now_ns_);
  if (verdict.seen == ledger::CoapExchanges::Seen::kPending) return;
  if (verdict.seen == ledger::CoapExchanges::Seen::kAnswered) {
    return check_receipt(verdict.outcome, *verdict.receipt, payload);
  }
  ledger::Transaction transaction;
  transaction.payload = bytes_of(payload).data();
  transaction.size = static_cast<uint32_t>(payload.size());
  transaction.txid = crypto::sha256(bytes_of(payload));
  transaction.leaf_hash = crypto::sha256_leaf(bytes_of(payload));
  transaction.requester = message.requester;
  by_ticket_[message.requester.ticket] = payload;
  ledger::Answer answer;
  const ledger::Decision decision = process_->ingest->offer(transaction, now_ns_, answer);
  if (decision == ledger::Decision::kUnderWay) return;
  if (decision == ledger::Decision::kLookUp && !process_->journal->complete(answer)) return;
  take_answer(answer);
}

/// What is no receipt is judged anew when it is sent again.
void LedgerLife::take_answer(const ledger::Answer& answer) {
  check_receipt(answer.outcome, answer.receipt, by_ticket_.at(answer.requester.ticket));
  process_->exchanges.answered(answer, ledger::has_receipt(answer.outcome) ? UINT64_MAX : now_ns_);
}

void LedgerLife::append() {
  process_->ingest->poll(now_ns_);
  while (ledger::OpenBlock* const block = process_->ingest->take_sealed()) {
    while (process_->journal->append(*block, now_ns_) == ledger::Journal::Append::kAfterSync) {
      ledger::SyncTask* const task = process_->journal->begin_sync();
      if (task == nullptr) violate("a block waits for a sync that there is none of");
      task->run();
      process_->journal->end(task);
    }
    check_segments();
  }
  take_answers();
}

/// Where a segment begins, all before it is durable: of the index, all but the place of the block in it.
void LedgerLife::check_segments() {
  const unsigned before = segments_;
  while (std::filesystem::exists(ledger::segment_path(directory_, segments_))) ++segments_;
  const bool has_begun = before > 0 && segments_ > before;
  if (has_begun && disk_.pending_writes(directory_ + "/tiles/blocks") > 1)
    violate("a segment begins before the index is durable");
}

void LedgerLife::take_answers() {
  while (ledger::OpenBlock* const block = process_->journal->next_finished()) process_->ingest->finish(block);
  std::array<ledger::Answer, 16> answers;
  while (const size_t count = process_->ingest->take_answers(answers)) {
    for (size_t i = 0; i < count; ++i) take_answer(answers[i]);
  }
}

void LedgerLife::check_receipt(ledger::Outcome outcome, const ledger::Receipt& receipt,
                               const std::string& payload) {
  if (!ledger::has_receipt(outcome)) return;
  if (receipt.index >= refused_from_) violate("it goes on though no checkpoint finds room");
  promises_.take_receipt(receipt.index, receipt.leaf_hash, payload);
}

void LedgerLife::release() {
  if (ledger::SyncTask* const task = process_->journal->begin_checkpoint(now_ns_, true)) {
    const uint64_t before = process_->journal->checkpoint_size();
    task->run();
    process_->journal->end(task);
    note_room(process_->journal->checkpoint_size() > before);
  }
  if (!disk_.is_cut()) promises_.note_checkpoint(disk_);
}

/// Blocks that were taken before are given their receipts first.
void LedgerLife::note_room(bool has_room) {
  if (has_room) {
    without_room_ns_.reset();
    refused_from_ = UINT64_MAX;
  } else if (!without_room_ns_) {
    without_room_ns_ = now_ns_;
  } else if (now_ns_ >= *without_room_ns_ + 2 * kPatienceNs) {
    while (ledger::SyncTask* const task = process_->journal->begin_sync()) {
      task->run();
      process_->journal->end(task);
    }
    take_answers();
    refused_from_ = process_->journal->durable().tree_size;
  }
}

void LedgerLife::check_after_start() {
  promises_.check_size(process_->journal->durable().tree_size);
  if (disk_.is_cut()) return;
  promises_.note_checkpoint(disk_);
  promises_.check_log(disk_);
}

}  // namespace sluice::sim
