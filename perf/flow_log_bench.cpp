// What the one thread that reads records of flows does for each: from the lane to a file, or to a message of
// IPFIX. Its inverse is how many flows may end in a second without loss.
#include <benchmark/benchmark.h>

#include <array>
#include <filesystem>
#include <memory>
#include <string>

#include "ctrl/telemetry/flow_file.h"
#include "ctrl/wire/ipfix_message.h"

namespace sluice::ctrl {
namespace {

constexpr size_t kAtOnceInBench = 256;

lb::FlowRecord some_record() {
  lb::FlowRecord record;
  record.key = {*IpAddress::parse("192.0.2.7"),
                *IpAddress::parse("203.0.113.10"),
                Be16::from_host(40000),
                Be16::from_host(443),
                IpProtocol::kTcp,
                {}};
  record.counts = {12, 10, 1'200, 15'000};
  record.handshake_us = 321;
  record.end = lb::FlowEnd::kFin;
  record.readers = bit_of(lb::FlowReader::kLog);
  return record;
}

/// Takes a piece of a full lane, and does `use` for each of its records.
template <typename Use>
void read_lane(benchmark::State& state, lb::FlowLane& lane, Use use) {
  const lb::FlowRecord record = some_record();
  const std::string service = "web", pool = "web";
  const IpAddress backend = *IpAddress::parse("10.20.0.11");
  for (auto _ : state) {
    state.PauseTiming();
    for (size_t i = 0; i < kAtOnceInBench; ++i) lane.push(record);
    state.ResumeTiming();
    std::array<lb::FlowRecord, kAtOnceInBench> records;
    const size_t count = lane.ring.pop(records);
    for (size_t i = 0; i < count; ++i) {
      use(NamedFlow{records[i], 1'700'000'000'000'000'000, 1'700'000'001'000'000'000, service, pool, backend,
                    8080});
    }
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kAtOnceInBench));
}

void to_file(benchmark::State& state) {
  const std::string path = std::filesystem::temp_directory_path() / "sluice-flow-log-bench.jsonl";
  const auto lanes = std::make_shared<dataplane::FlowLanes>(1);
  FlowFile file(path, FlowTally(lanes, lb::FlowReader::kLog));
  read_lane(state, lanes->of(0), [&](const NamedFlow& flow) { file.take(flow); });
  file.finish({});
  std::filesystem::remove(path);
}

void to_ipfix(benchmark::State& state) {
  dataplane::FlowLanes lanes(1);
  ipfix::FlowMessage message(1400);
  uint32_t sequence = 0;
  read_lane(state, lanes.of(0), [&](const NamedFlow& flow) {
    const ipfix::DataRecord record = ipfix::record_of(flow);
    if (message.add(record)) return;
    sequence += message.records();
    benchmark::DoNotOptimize(message.finish(1'700'000'000, sequence));
    message = ipfix::FlowMessage(1400);
    message.add(record);
  });
}

BENCHMARK(to_file);
BENCHMARK(to_ipfix);

}  // namespace
}  // namespace sluice::ctrl

BENCHMARK_MAIN();
