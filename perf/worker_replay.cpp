// A real worker on a real device, for as long as its standard input is open: the device under test of the
// pipeline suite.
//
//   worker_replay EAL-ARGUMENTS -- DEVICE BUFFERS DATA-ROOM FORWARD POLICY PROTOCOL FAMILY FLOW-ENTRIES
//                 BACKENDS capture|flowgen poll|adaptive RULES [FILTER]
//
// RULES are of perf/rules.h.
// With FILTER a capture of received packets runs meanwhile, of those that this expression of pcap-filter(7)
// matches; nobody reads it.
//
// Each line on standard input is answered by one: received, transmitted and dropped packets so far, and
// the TSC cycles spent in polls that found packets.
#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "dataplane/roles/worker_loop.h"
#include "lb/policies/all.h"
#include "perf/worker_rig.h"

namespace sluice::perf {
namespace {

using dataplane::Phase;
using dataplane::WorkerLoop;
using dataplane::WorkerRest;

constexpr uint16_t kDescriptors = 1024;
constexpr size_t kOptions = 12;

/// The place of `word` in a list of words, which are those of the configuration file.
template <typename Choice, size_t kCount>
Choice choice(std::string_view word, const std::array<std::string_view, kCount>& words) {
  const auto found = std::find(words.begin(), words.end(), word);
  if (found == words.end()) give_up("a word that is none of the choices");
  return static_cast<Choice>(found - words.begin());
}

struct Options {
  std::string device;
  unsigned buffers;
  uint16_t data_room;
  Duty duty;
  dataplane::IdleMode idle;
  std::string filter;  ///< empty: no capture runs
};

unsigned number(const char* text) {
  return static_cast<unsigned>(std::strtoul(text, nullptr, 10));
}

Options read_options(std::span<char*> words) {
  if (words.size() != kOptions && words.size() != kOptions + 1)
    give_up("see the top of its source for its arguments");
  Options options{words[0], number(words[1]), static_cast<uint16_t>(number(words[2])), {}, {}, {}};
  std::array<std::string_view, lb::kPolicies.size()> policies;
  std::ranges::transform(lb::kPolicies, policies.begin(), &lb::PolicyRow::name);
  std::array<std::string_view, lb::kForwardModes.size()> forwards;
  std::ranges::transform(lb::kForwardModes, forwards.begin(), &lb::ForwardModeRow::name);
  options.duty.forward = choice<lb::ForwardMode>(words[3], forwards);
  options.duty.policy = choice<lb::Policy>(words[4], policies);
  options.duty.protocol = std::string_view(words[5]) == "udp" ? IpProtocol::kUdp : IpProtocol::kTcp;
  options.duty.v6 = std::string_view(words[6]) == "6";
  options.duty.flow_table_entries = number(words[7]);
  options.duty.backends = number(words[8]);
  options.duty.fed_by_flowgen = std::string_view(words[9]) == "flowgen";
  options.idle =
      std::string_view(words[10]) == "adaptive" ? dataplane::IdleMode::kAdaptive : dataplane::IdleMode::kPoll;
  options.duty.rules = choice<Rules>(words[11], kRulesNames);
  if (words.size() > kOptions) options.filter = words[kOptions];
  return options;
}

std::shared_ptr<const dataplane::Captures> captures_of(const std::string& filter) {
  auto captures = std::make_shared<dataplane::Captures>();
  if (filter.empty()) return captures;
  dataplane::CaptureWish wish;
  auto compiled = dataplane::PacketFilter::compile(filter);
  if (!compiled) give_up("the filter is not understood");
  wish.filter = std::move(*compiled);
  captures->running.push_back(std::make_shared<const dataplane::Capture>(std::move(wish), 1));
  return captures;
}

/// Creates the device and starts it on one queue each way.
uint16_t start_device(const std::string& device, rte_mempool* pool) {
  const std::string name = device.substr(0, device.find(','));
  const std::string arguments = device.size() > name.size() ? device.substr(name.size() + 1) : "";
  uint16_t port = 0;
  const rte_eth_conf configuration{};
  uint16_t received = kDescriptors, sent = kDescriptors;
  if (rte_eal_hotplug_add("vdev", name.c_str(), arguments.c_str()) != 0 ||
      rte_eth_dev_get_port_by_name(name.c_str(), &port) != 0 ||
      rte_eth_dev_configure(port, 1, 1, &configuration) != 0 ||
      rte_eth_dev_adjust_nb_rx_tx_desc(port, &received, &sent) != 0 ||
      rte_eth_rx_queue_setup(port, 0, received, 0, nullptr, pool) != 0 ||
      rte_eth_tx_queue_setup(port, 0, sent, 0, nullptr) != 0 || rte_eth_dev_start(port) != 0) {
    give_up("the device does not start");
  }
  return port;
}

int run_loop(void* loop) {
  static_cast<WorkerLoop*>(loop)->run();
  return 0;
}

void answer_questions(WorkerRig& rig) {
  const dataplane::WorkerStats& stats = rig.worker().stats;
  for (int byte; (byte = std::getchar()) != EOF;) {
    if (byte != '\n') continue;
    uint64_t transmitted = 0;
    for (const auto& port : stats.ports) transmitted += port.transmitted_packets.read();
    std::printf("%lu %lu %lu %lu\n", stats.ports[test::kEdge].received_packets.read(), transmitted,
                rig.dropped(), stats.busy_cycles.read());
    std::fflush(stdout);
  }
}

/// Null: polls that find nothing just follow each other.
std::unique_ptr<WorkerRest> make_rest(dataplane::Worker& worker, dataplane::IdleMode idle) {
  if (idle == dataplane::IdleMode::kPoll) return nullptr;
  auto rest = WorkerRest::create(worker, {});
  if (!rest) give_up("WorkerRest::create failed");
  return std::move(*rest);
}

int replay(const Options& options) {
  rte_mempool* const pool = make_pool(options.buffers, options.data_room, 256);
  WorkerRig rig(options.duty, pool, start_device(options.device, pool));
  dataplane::Published<dataplane::Tables> published(rig.tables(), 1);
  dataplane::Published<dataplane::Captures> captures(captures_of(options.filter), 1);
  std::atomic<Phase> phase{Phase::kRunning};
  const auto rest = make_rest(rig.worker(), options.idle);
  WorkerLoop loop(rig.worker(), published.reader(0), captures.reader(0), {}, phase, rest.get());
  const unsigned lcore = rte_get_next_lcore(-1, 1, 0);
  if (lcore == RTE_MAX_LCORE) give_up("EAL needs a second lcore");
  rte_eal_remote_launch(run_loop, &loop, lcore);
  answer_questions(rig);
  phase = Phase::kStopped;
  rte_eal_mp_wait_lcore();
  return 0;
}

}  // namespace
}  // namespace sluice::perf

int main(int argc, char** argv) {
  const std::span<char*> words(argv, static_cast<size_t>(argc));
  const auto end = std::find_if(words.begin(), words.end(),
                                [](const char* word) { return std::string_view(word) == "--"; });
  if (end == words.end()) {
    std::fprintf(stderr, "worker_replay: EAL-ARGUMENTS -- OPTIONS\n");
    return 2;
  }
  sluice::perf::start_eal({words.begin(), end});
  return sluice::perf::replay(sluice::perf::read_options({end + 1, words.end()}));
}
