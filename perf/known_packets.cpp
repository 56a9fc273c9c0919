// What a worker does for packets of known flows, or for newcomers, and nothing else, for a profiler that
// counts instructions:
//
//   known_packets MODE 4|6 tcp|udp requests|answers|newcomers POLLS
//
// It lays POLLS bursts ready, each packet of another flow, says `ready` and of how many packets, and waits
// for a line. Then it forwards them and leaves at once. What is not the packets' is the same for any number
// of POLLS: two runs less each other tell what a packet takes. Answers are of TCP over IPv4. Newcomers begin
// flows in a table of a million entries that others of their kind have filled.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lb/service.h"
#include "perf/known_flows.h"

namespace sluice::perf {
namespace {

constexpr size_t kMostPolls = kBuffers / dataplane::kBurst;  // as many buffers as a source has
constexpr uint32_t kFullTable = 1u << 20;

lb::ForwardMode mode_called(std::string_view name) {
  const auto found = std::ranges::find(lb::kForwardModes, name, &lb::ForwardModeRow::name);
  if (found == lb::kForwardModes.end()) give_up("there is no such forwarding mode");
  return static_cast<lb::ForwardMode>(found - lb::kForwardModes.begin());
}

/// What the backends say to the next burst of requests.
Burst answers_to(WorkerRig& rig, Source& source) {
  work(rig, source.fill());
  const Burst answers = expect_all_sent();
  for (rte_mbuf* answer : answers) turn_round(answer, TcpHeader::kAck);
  return answers;
}

/// Every flow has been answered, so that the answers' ways are known too.
void answer_all(WorkerRig& rig, Source& source) {
  for (size_t i = 0; i < kMostPolls; ++i) {
    work(rig, answers_to(rig, source), test::kCore);
    expect_all_sent();
  }
}

std::vector<Burst> lay_ready(WorkerRig& rig, Source& source, size_t polls, bool answers) {
  std::vector<Burst> ready(polls);
  for (Burst& burst : ready) {
    if (answers) {
      burst = answers_to(rig, source);
    } else {
      std::ranges::copy(source.fill(), burst.begin());
    }
  }
  return ready;
}

[[noreturn]] void forward(WorkerRig& rig, const std::vector<Burst>& ready, uint8_t port) {
  std::printf("ready %zu\n", ready.size() * dataplane::kBurst);
  std::fflush(stdout);
  std::getchar();
  for (const Burst& burst : ready) work(rig, burst, port);
  const bool is_whole = rig.dropped() == 0;
  _exit(is_whole ? EXIT_SUCCESS : EXIT_FAILURE);  // nothing else is to be counted
}

/// As many as the table has entries have come, and most have gone, before those that are forwarded.
[[noreturn]] void run_newcomers(Traffic traffic, lb::ForwardMode mode, size_t polls) {
  traffic.flows = kFullTable + kBuffers;
  traffic.tcp_flags = TcpHeader::kSyn;
  Duty duty = duty_of(traffic, mode);
  duty.flow_table_entries = kFullTable;
  WorkerRig rig(duty, Sink::pool(), sink().device());
  Source source(traffic);
  introduce(rig, source, kFullTable);
  forward(rig, lay_ready(rig, source, polls, false), test::kEdge);
}

[[noreturn]] void run(std::span<char*> words) {
  if (words.size() != 5) give_up("see the top of its source for its arguments");
  Traffic traffic{.v6 = std::string_view(words[1]) == "6", .flows = kBuffers};
  if (std::string_view(words[2]) == "udp") traffic.protocol = IpProtocol::kUdp;
  const bool answers = std::string_view(words[3]) == "answers";
  const lb::ForwardMode mode = mode_called(words[0]);
  const size_t polls = std::strtoul(words[4], nullptr, 10);
  if (polls > kMostPolls) give_up("there are not that many buffers");
  if (std::string_view(words[3]) == "newcomers") run_newcomers(traffic, mode, polls);
  WorkerRig rig(duty_of(traffic, mode), Sink::pool(), sink().device());
  if (answers) establish(rig, traffic);
  Source source(traffic);
  for (int twice = 0; twice < 2; ++twice)
    answers ? answer_all(rig, source) : introduce(rig, source, traffic.flows);
  forward(rig, lay_ready(rig, source, polls, answers), answers ? test::kCore : test::kEdge);
}

}  // namespace
}  // namespace sluice::perf

int main(int argc, char** argv) {
  sluice::perf::start_eal({argv[0], "--no-pci", "--no-telemetry", "--no-shconf", "--log-level=err",
                           "--file-prefix=sluice-count", "--no-huge", "-m", "64"});
  sluice::perf::run(std::span(argv, static_cast<size_t>(argc)).subspan(1));
}
