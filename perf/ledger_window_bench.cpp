// The dedupe window and block assembly, without framing, hashing or a disk: what they cost a transaction.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <memory>
#include <new>
#include <unordered_map>
#include <vector>

#include "common/bytes.h"
#include "ledger/ingest.h"

namespace sluice::ledger {
namespace {

constexpr RecentIds::Capacity kCapacity{4194304, 8 * 4096};

/// Ids as good as hashes: 64-bit mixing of a counter (SplitMix64).
crypto::Digest id_of(uint64_t number) {
  crypto::Digest id;
  for (size_t at = 0; at < id.size(); at += 8) {
    uint64_t word = number * 4 + at / 8 + 0x9e3779b97f4a7c15;
    word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9;
    word = (word ^ word >> 27) * 0x94d049bb133111eb;
    store(id.data() + at, word ^ word >> 31);
  }
  return id;
}

struct Window {
  Window()
      : memory(new (std::align_val_t{64}) std::byte[RecentIds::bytes_needed(kCapacity)]),
        ids(kCapacity, {memory, RecentIds::bytes_needed(kCapacity)}, {1, 2}) {}
  ~Window() { ::operator delete[](memory, std::align_val_t{64}); }
  std::byte* memory;
  RecentIds ids;
};

void fill(RecentIds& ids, uint64_t& next) {
  for (; next < kCapacity.window; ++next) {
    ids.append(id_of(next), next % 4096 == 0);
    if (next % 4096 == 4095) ids.commit(next + 1);
  }
}

/// A new id into a full window: lookup, append, and the oldest forgotten. Batches of 64 are prefetched.
void window_append(benchmark::State& state) {
  Window window;
  uint64_t next = 0;
  fill(window.ids, next);
  std::vector<crypto::Digest> batch(64);
  std::vector<RecentIds::Home> homes(batch.size());
  for (auto _ : state) {
    for (auto& id : batch) id = id_of(next++);
    for (size_t i = 0; i < batch.size(); ++i) {
      homes[i] = window.ids.home_of(batch[i]);
      window.ids.prefetch(homes[i]);
    }
    for (size_t i = 0; i < batch.size(); ++i) {
      if (window.ids.find(batch[i], homes[i])) std::abort();
      window.ids.append(batch[i], homes[i], window.ids.next_index() % 4096 == 0);
    }
    if (window.ids.next_index() % 4096 == 0) window.ids.commit(window.ids.next_index());
  }
  state.SetItemsProcessed(state.iterations() * 64);
  state.counters["bytes/transaction"] =
      static_cast<double>(RecentIds::bytes_needed(kCapacity)) / kCapacity.window;
}
BENCHMARK(window_append);

/// The peer: the standard library's hash table, in the same cycle of insertion and removal.
void unordered_map_append(benchmark::State& state) {
  struct Hash {
    size_t operator()(const crypto::Digest& id) const { return load<size_t>(id.data()); }
  };
  std::unordered_map<crypto::Digest, uint64_t, Hash> map;
  map.reserve(kCapacity.window);
  uint64_t next = 0;
  for (; next < kCapacity.window; ++next) map.emplace(id_of(next), next);
  for (auto _ : state) {
    for (int i = 0; i < 64; ++i, ++next) {
      if (!map.emplace(id_of(next), next).second) std::abort();
      map.erase(id_of(next - kCapacity.window));
    }
  }
  state.SetItemsProcessed(state.iterations() * 64);
}
BENCHMARK(unordered_map_append);

/// Block assembly of 256-byte payloads with the window, a journal that commits at once, and nobody to answer.
void ingest_offer(benchmark::State& state) {
  Window window;
  uint64_t next = 0;
  fill(window.ids, next);
  OutcomeCounters counters;
  Ingest ingest({}, window.ids, counters);
  const std::vector<uint8_t> payload(256, 7);
  std::vector<Transaction> batch(64);
  for (Transaction& transaction : batch) {
    transaction.payload = payload.data();
    transaction.size = static_cast<uint32_t>(payload.size());
  }
  std::vector<RecentIds::Home> homes(batch.size());
  std::array<Answer, 64> answers;
  for (auto _ : state) {
    for (size_t i = 0; i < batch.size(); ++i) {
      batch[i].txid = id_of(next++);
      homes[i] = ingest.prefetch(batch[i].txid, batch[i].profile);
    }
    for (size_t i = 0; i < batch.size(); ++i) ingest.offer(batch[i], homes[i], next, answers[0]);
    while (OpenBlock* const block = ingest.take_sealed()) {
      block->fate = Fate::kCommitted;
      ingest.finish(block);
    }
    ingest.take_answers(answers);
  }
  state.SetItemsProcessed(state.iterations() * 64);
}
BENCHMARK(ingest_offer);

}  // namespace
}  // namespace sluice::ledger

BENCHMARK_MAIN();
