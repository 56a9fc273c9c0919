#include "dataplane/roles/ledger_station.h"

#include <sys/random.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <string>

#include "crypto/sha256_choice.h"
#include "dataplane/device/eal_log.h"
#include "dataplane/device/surroundings.h"
#include "dataplane/roles/topology.h"

namespace sluice::dataplane {
namespace {

constexpr unsigned kPatienceMs = 2500;         ///< for either half of drain()
constexpr uint32_t kJournalPatienceMs = 2500;  ///< for the last syncs: a clean stop ends within 10 s

uint64_t monotonic_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

template <typename T>
Result<T> random_seed(Surroundings* surroundings) {
  T seed;
  if (surroundings != nullptr) {
    std::array<uint64_t, sizeof(T) / sizeof(uint64_t)> numbers;
    for (uint64_t& number : numbers) number = surroundings->seed();
    std::memcpy(static_cast<void*>(&seed), numbers.data(), sizeof seed);
    return seed;
  }
  if (getrandom(&seed, sizeof seed, 0) != sizeof seed) return fail("no random seed from the kernel");
  return seed;
}

Error at(const char* pointer, Error error) {
  if (error.pointer.empty()) error.pointer = pointer;
  return error;
}

void log_choice(const crypto::Sha256Choice& choice) {
  for (const crypto::Sha256Trial& trial : choice.trials) {
    std::string line = "sha256 " + std::string(crypto::name_of(trial.engine)) + ": ";
    if (!trial.refused.empty()) {
      line += trial.refused;
    } else if (trial.nanoseconds_per_message > 0) {
      line += std::to_string(trial.nanoseconds_per_message) + " ns a message";
    } else {
      continue;
    }
    log_line(LogLevel::kDebug, line);
  }
  log_line(LogLevel::kInfo, "sha256 engine of the ledger: " + std::string(crypto::name_of(choice.engine)));
}

}  // namespace

Result<std::unique_ptr<LedgerStation>> LedgerStation::create(const LedgerPlan& plan) {
  const auto choice = crypto::choose_sha256(plan.config.sha256, monotonic_ns);
  if (!choice) return tl::unexpected(at("/ledger/sha256", choice.error()));
  log_choice(*choice);
  std::unique_ptr<LedgerStation> station(new LedgerStation);
  station->engine_ = choice->engine;
  station->surroundings_ = plan.surroundings;
  if (plan.config.source_rate) station->sources_ = plan.config.source_rate->prefixes;
  ledger::IngestLimits limits;
  limits.seal = plan.config.seal;
  limits.delay_ns = plan.config.seal_delay_ns;
  limits.goes_on_after_failure = plan.config.goes_on_after_failure;
  const auto made =
      station->open_log(plan, limits).and_then([&] { return station->make_hash_workers(plan, limits); });
  if (!made) return tl::unexpected(made.error());
  return station;
}

Result<void> LedgerStation::open_log(const LedgerPlan& plan, const ledger::IngestLimits& limits) {
  const ledger::RecentIds::Capacity capacity{plan.config.dedupe_window, limits.most_in_flight()};
  auto window =
      MappedArray<std::byte>::create(ledger::RecentIds::bytes_needed(capacity), plan.numa_node, true);
  if (!window) return tl::unexpected(at("/ledger/dedupe_window", window.error()));
  const auto seed = random_seed<ledger::WindowSeed>(surroundings_);
  if (!seed) return tl::unexpected(seed.error());
  window_ = std::move(*window);
  ids_.emplace(capacity, window_.elements(), *seed);

  auto engine = crypto::Sha256::create(engine_);
  if (!engine) return tl::unexpected(at("/ledger/sha256", engine.error()));
  ledger::JournalSettings settings{.directory = plan.config.directory};
  settings.checkpoint_interval_ns = plan.config.checkpoint_interval_ns;
  auto journal = ledger::Journal::open(plan.files, std::move(settings), std::move(*plan.config.signer),
                                       std::move(*engine), *ids_);
  if (!journal) return tl::unexpected(at("/ledger/directory", journal.error()));
  for (const std::string& notice : (*journal)->notices()) log_line(LogLevel::kWarning, notice);
  journal_rings_ = std::make_unique<JournalRings>(row_of(RingUse::kSealedBlocks).size);
  journal_ = std::make_unique<JournalThread>(std::move(*journal), *journal_rings_, limits.delay_ns);
  return {};
}

Result<void> LedgerStation::make_hash_workers(const LedgerPlan& plan, const ledger::IngestLimits& limits) {
  auto engine = crypto::Sha256::create(engine_);
  if (!engine) return tl::unexpected(at("/ledger/sha256", engine.error()));
  sealer_ = std::make_unique<Sealer>(limits, *ids_, *journal_rings_, std::move(*engine));
  for (uint8_t i = 0; i < plan.pools.size(); ++i) {
    for (int direction = 0; direction < 2; ++direction) {
      job_rings_.push_back(std::make_unique<JobRing>(row_of(RingUse::kHashed).size));
    }
    answer_rings_.push_back(std::make_unique<AnswerRing>(row_of(RingUse::kReceipts).size));
    const auto seed = random_seed<SipKey>(surroundings_);
    if (!seed) return tl::unexpected(seed.error());
    const HashWorkerPlan worker{.index = i,
                                .pool = plan.pools[i],
                                .port_mtus = plan.port_mtus,
                                .source_rate = plan.config.source_rate,
                                .seed = *seed,
                                .to_sealer = job_rings_[2 * i].get(),
                                .from_sealer = job_rings_[2 * i + 1].get(),
                                .answers = answer_rings_[i].get(),
                                .sealer = i == 0 ? sealer_.get() : nullptr};
    auto own_engine = crypto::Sha256::create(engine_);
    if (!own_engine) return tl::unexpected(at("/ledger/sha256", own_engine.error()));
    hash_workers_.push_back(std::make_unique<HashWorker>(worker, std::move(*own_engine)));
    sealer_->connect(worker.to_sealer, worker.from_sealer, worker.answers);
  }
  return {};
}

void LedgerStation::connect(Worker& worker, std::span<PacketRing* const> to_hash,
                            std::span<PacketRing* const> from_hash) {
  worker.sources = sources_;
  worker.to_hash.assign(to_hash.begin(), to_hash.end());
  worker.from_hash.assign(from_hash.begin(), from_hash.end());
  for (size_t i = 0; i < hash_workers_.size(); ++i) hash_workers_[i]->connect(to_hash[i], from_hash[i]);
  rx_workers_.push_back(&worker);
}

std::vector<const ledger::OutcomeCounters*> LedgerStation::counters() const {
  std::vector<const ledger::OutcomeCounters*> all{&sealer_->counters()};
  for (const auto& worker : hash_workers_) all.push_back(&worker->counters());
  for (const Worker* worker : rx_workers_) all.push_back(&worker->stats.transactions);
  return all;
}

Result<void> LedgerStation::start(std::shared_ptr<const std::vector<Ingress>> ingress) {
  ingress_ = std::move(ingress);
  if (ingress_ != nullptr) {
    for (const auto& worker : hash_workers_) worker->serve(*ingress_);
  }
  if (surroundings_ == nullptr) return journal_->start();
  surroundings_->launch(*journal_);
  return {};
}

bool LedgerStation::has_hashed_all() const {
  return std::all_of(hash_workers_.begin(), hash_workers_.end(),
                     [](const auto& worker) { return worker->jobs() == 0; });
}

void LedgerStation::sleep_a_millisecond() const {
  constexpr long kNanoseconds = 1'000'000;
  if (surroundings_ != nullptr) return surroundings_->sleep(std::chrono::nanoseconds(kNanoseconds));
  const timespec duration{0, kNanoseconds};
  nanosleep(&duration, nullptr);
}

template <typename Condition>
void LedgerStation::wait_for(Condition is_so) const {
  bool was_so = false;
  for (unsigned waited_ms = 0; waited_ms < kPatienceMs;) {
    for (const auto& worker : hash_workers_) {
      const uint64_t enough = worker->polls().read() + 2;
      for (; worker->polls().read() < enough && waited_ms < kPatienceMs; ++waited_ms) sleep_a_millisecond();
    }
    const bool is_so_now = is_so();
    if (is_so_now && was_so) return;
    was_so = is_so_now;
  }
}

void LedgerStation::drain() {
  wait_for([&] { return has_hashed_all(); });
  sealer_->stop();
  wait_for([&] {
    return has_hashed_all() && sealer_->is_idle() &&
           std::all_of(answer_rings_.begin(), answer_rings_.end(),
                       [](const auto& ring) { return ring->size() == 0; });
  });
}

void LedgerStation::stop() {
  if (std::exchange(has_stopped_, true)) return;
  sealer_->refuse_requests();
  if (surroundings_ == nullptr) {
    is_stuck_ = !journal_->stop(kJournalPatienceMs);
  } else {
    journal_->begin_stop();
    is_stuck_ = !surroundings_->join(*journal_, std::chrono::milliseconds(kJournalPatienceMs));
  }
}

}  // namespace sluice::dataplane
