// What it costs to remember a dropped packet. The bytes were just parsed, so they are near.
#include <benchmark/benchmark.h>

#include <array>
#include <memory>
#include <vector>

#include "dataplane/tables/drop_recorder.h"

namespace sluice::dataplane {
namespace {

constexpr size_t kFrames = 32;  ///< of a burst
constexpr size_t kRoom = 2048;  ///< of a buffer

struct Memory {
  std::vector<DropRecord> records = std::vector<DropRecord>(DropRecorder::kRecords);
  std::vector<uint8_t> frames = std::vector<uint8_t>(kFrames * kRoom, 0x5a);
};

/// Bursts of frames of so many bytes, dropped for so many reasons in turn.
void remember(benchmark::State& state, size_t bytes, size_t reasons) {
  Memory memory;
  DropRecorder recorder(memory.records);
  recorder.begin_poll(1, 1);
  size_t reason = 0;
  for (auto _ : state) {
    for (size_t frame = 0; frame < kFrames; ++frame) {
      const std::span<const uint8_t> front(memory.frames.data() + frame * kRoom, bytes);
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
