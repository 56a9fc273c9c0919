// What it costs to remember a dropped packet. The bytes were just parsed, so they are near.
#include <benchmark/benchmark.h>

#include <array>
#include <memory>
#include <vector>

#include "dataplane/tables/drop_recorder.h"

namespace sluice::dataplane {
namespace {

constexpr size_t kFrames = 32;  ///< of a burst

/// As buffers lie in a pool: headers, metadata and headroom before the frame, and an odd number of cache
/// lines in all (rte_mempool_calc_obj_size()). Were it a power of two, all frames would lie in the same few
/// lines of the CPU's cache.
struct alignas(64) Buffer {
  std::array<uint8_t, 64 + 128 + 64 + 128> before{};
  std::array<uint8_t, 2048 + 64> frame{};
};
static_assert(sizeof(Buffer) / 64 % 2 == 1);

struct Memory {
  std::vector<DropRecord> records = std::vector<DropRecord>(DropRecorder::kRecords);
  std::vector<Buffer> buffers = std::vector<Buffer>(kFrames);
};

/// Bursts of frames of so many bytes, dropped for so many reasons in turn.
void remember(benchmark::State& state, size_t bytes, size_t reasons) {
  Memory memory;
  DropRecorder recorder(memory.records);
  recorder.begin_poll(1, 1);
  size_t reason = 0;
  for (auto _ : state) {
    for (size_t frame = 0; frame < kFrames; ++frame) {
      const std::span<const uint8_t> front(memory.buffers[frame].frame.data(), bytes);
      recorder.record(front, static_cast<uint32_t>(bytes),
                      {.reason = static_cast<DropReason>(reason), .port = static_cast<uint8_t>(frame & 1)});
      if (++reason == reasons) reason = 0;
    }
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kFrames));
  state.counters["ns_per_packet"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * kFrames / 1e9,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

BENCHMARK_CAPTURE(remember, short_of_one_reason, 60, 1);
BENCHMARK_CAPTURE(remember, long_of_one_reason, 1400, 1);
BENCHMARK_CAPTURE(remember, short_of_every_reason, 60, kDropReasons);
BENCHMARK_CAPTURE(remember, long_of_every_reason, 1400, kDropReasons);

}  // namespace
}  // namespace sluice::dataplane

BENCHMARK_MAIN();
