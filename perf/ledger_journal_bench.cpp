// The journal thread's work, and a restart, on a directory given by SLUICE_BENCH_DIRECTORY (else /dev/shm):
// blocks of 256-byte payloads, beside a plain writer that syncs as often.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <future>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "crypto/sha256_openssl.h"
#include "ledger/journal.h"

namespace sluice::ledger {
namespace {

constexpr OpenBlock::Limits kLimits{4096, 1 << 20};
constexpr uint32_t kPayloadBytes = 256;

std::string directory() {
  const char* const given = std::getenv("SLUICE_BENCH_DIRECTORY");
  std::string name = std::string(given != nullptr ? given : "/dev/shm") + "/sluice-bench-XXXXXX";
  if (mkdtemp(name.data()) == nullptr) std::abort();
  return name;
}

crypto::Sha256 fastest_engine() {
  if (auto engine = crypto::Sha256::create(crypto::Sha256Engine::avx512)) return std::move(*engine);
  return std::move(*crypto::Sha256::create(crypto::Sha256Engine::openssl));
}

void fill(OpenBlock& block, uint64_t number, uint64_t first_index) {
  block.restart(number, first_index, 0);
  std::array<uint8_t, kPayloadBytes> payload{};
  Transaction transaction;
  transaction.payload = payload.data();
  transaction.size = kPayloadBytes;
  while (!block.is_full()) {
    store(payload.data(), first_index + block.count());
    transaction.leaf_hash = crypto::sha256_leaf(payload);
    block.add(transaction);
  }
}

/// A dedupe window and its memory.
struct Window {
  explicit Window(uint64_t transactions)
      : capacity{transactions, 8 * 4096},
        memory(new (std::align_val_t{64}) std::byte[RecentIds::bytes_needed(capacity)]),
        ids(capacity, {memory, RecentIds::bytes_needed(capacity)}, {1, 2}) {}
  Window(const Window&) = delete;
  Window& operator=(const Window&) = delete;
  ~Window() { ::operator delete[](memory, std::align_val_t{64}); }

  RecentIds::Capacity capacity;
  std::byte* memory;
  RecentIds ids;
};

std::unique_ptr<Journal> open_journal(FileSystem& files, const std::string& path,
                                      const crypto::NoteSigner& signer, uint64_t window = 1) {
  Window remembered(window);
  auto journal =
      Journal::open(files, {path}, std::move(*crypto::NoteSigner::parse(signer.private_line().reveal())),
                    fastest_engine(), remembered.ids);
  if (!journal) std::abort();
  return std::move(*journal);
}

void append_one(Journal& journal, OpenBlock& block) {
  while (journal.append(block, 1) == Journal::Append::kAfterSync) {
  }
  SyncTask* const task = journal.begin_sync();
  task->run();
  journal.end(task);
  if (journal.next_finished()->fate != Fate::kCommitted) std::abort();
}

/// Appends every block while the one before is synced by another thread, as the gateway's journal thread
/// does.
void append_overlapped(Journal& journal, std::span<const std::unique_ptr<OpenBlock>> blocks) {
  SyncTask* task = nullptr;
  std::future<void> run;
  const auto finish = [&] {
    if (task == nullptr) return;
    run.get();
    journal.end(std::exchange(task, nullptr));
    while (const OpenBlock* const block = journal.next_finished()) {
      if (block->fate != Fate::kCommitted) std::abort();
    }
  };
  for (const auto& block : blocks) {
    while (journal.append(*block, 1) == Journal::Append::kAfterSync) finish();
    finish();
    task = journal.begin_sync();
    run = std::async(std::launch::async, [task] { task->run(); });
  }
  finish();
}

/// Blocks as they come from sealing, and every one of them synced; filling them is not counted.
void journal_append(benchmark::State& state) {
  PosixFileSystem files;
  const std::string path = directory();
  const auto signer = crypto::NoteSigner::generate("bench.example/log");
  const auto journal = open_journal(files, path, *signer);
  std::vector<std::unique_ptr<OpenBlock>> blocks(16);
  for (auto& block : blocks) block = std::make_unique<OpenBlock>(kLimits);
  uint64_t transactions = 0;
  for (auto _ : state) {
    state.PauseTiming();
    LogEnd end = journal->appended();
    for (auto& block : blocks) {
      fill(*block, end.blocks++, end.tree_size);
      end.tree_size += block->count();
      transactions += block->count();
    }
    state.ResumeTiming();
    append_overlapped(*journal, blocks);
  }
  state.SetItemsProcessed(static_cast<int64_t>(transactions));
  std::filesystem::remove_all(path);
}
BENCHMARK(journal_append)->UseRealTime();

/// The peer: the same bytes to a file whose room is reserved, with one fdatasync each.
void plain_writer(benchmark::State& state) {
  const std::string path = directory();
  const int file = open((path + "/plain").c_str(), O_CREAT | O_RDWR, 0600);
  const std::vector<uint8_t> record(record_span((1 << 20) + 168 + 4096 * 4), 7);
  uint64_t offset = 0;
  for (auto _ : state) {
    if (offset % (record.size() * 8) == 0)
      if (posix_fallocate(file, static_cast<off_t>(offset), static_cast<off_t>(record.size() * 8)) != 0)
        std::abort();
    if (pwrite(file, record.data(), record.size(), static_cast<off_t>(offset)) < 0 || fdatasync(file) != 0)
      std::abort();
    offset += record.size();
  }
  state.SetItemsProcessed(state.iterations() * 4096);
  close(file);
  std::filesystem::remove_all(path);
}
BENCHMARK(plain_writer)->UseRealTime();

/// A restart: recovery and the dedupe window, of a log with `range` transactions.
void restart(benchmark::State& state) {
  PosixFileSystem files;
  const std::string path = directory();
  const auto signer = crypto::NoteSigner::generate("bench.example/log");
  {
    const auto journal = open_journal(files, path, *signer);
    OpenBlock block(kLimits);
    while (journal->appended().tree_size < static_cast<uint64_t>(state.range(0))) {
      fill(block, journal->appended().blocks, journal->appended().tree_size);
      append_one(*journal, block);
    }
  }
  for (auto _ : state) open_journal(files, path, *signer, 4194304);
  std::filesystem::remove_all(path);
}
BENCHMARK(restart)->Arg(1'000'000)->Iterations(1)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(restart)->Arg(10'000'000)->Iterations(1)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace sluice::ledger

BENCHMARK_MAIN();
