#include "sim/core/simulated_gateway.h"

#include <rte_errno.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <optional>

#include "common/check.h"
#include "ctrl/log/log.h"
#include "dataplane/base/packet.h"
#include "dataplane/device/eal.h"
#include "dataplane/roles/hash_worker_loop.h"
#include "dataplane/roles/worker_loop.h"

namespace sluice::sim {
namespace {

using JournalTurn = dataplane::JournalThread::Turn;

constexpr Nanoseconds kMillisecond = 1'000'000;
constexpr unsigned kBuffers = 8192;   ///< for what arrives
constexpr uint16_t kDataRoom = 2048;  ///< where no port has a larger MTU
constexpr unsigned kMostRounds = 1'000'000;
// What the daemon does every so many milliseconds.
constexpr uint64_t kStoreTick = 5, kMaintenance = 50, kSourceMaintenance = 250;

void replace_machine(ctrl::Model& model, SimulatedGateway& surroundings, bool has_ledger,
                     const ScratchDirectory& scratch) {
  dataplane::BootConfig& boot = model.boot;
  boot.surroundings = &surroundings;
  boot.log = ctrl::log_data_plane;
  boot.eal = simulated_eal();
  boot.idle = dataplane::IdleMode::kPoll;
  std::ranges::fill(boot.workers, simulated_cpu());
  std::ranges::fill(boot.lb_workers, simulated_cpu());
  std::ranges::fill(boot.hash_workers, simulated_cpu());
  if (!has_ledger) {
    boot.hash_workers.clear();
    model.ledger.reset();
  }
  for (dataplane::PortConfig& port : boot.ports) port.kernel = false;
  if (!model.tunnels.empty()) model.tunnel_state = scratch.path();  // the configuration's is a real gateway's
}

}  // namespace

std::vector<std::string> simulated_eal() {
  return {"--no-huge", "-m", "1024", "--no-pci"};
}

unsigned simulated_cpu() {
  return dataplane::read_machine_facts().allowed_cpus.front();
}

SimulatedGateway::SimulatedGateway(const SimulationStart& start)
    : start_(start), now_(start.now), random_(start.seed) {}

SimulatedGateway::~SimulatedGateway() {
  gateway_.reset();
  devices_.clear();
  rte_mempool_free(pool_);
}

/// No worker spins here, so that nobody has to keep off its CPU.
Result<void> SimulatedGateway::start_eal(const dataplane::BootConfig& config) {
  static const Result<void> started = [&] {
    dataplane::BootConfig calm = config;
    calm.idle = dataplane::IdleMode::kAdaptive;
    return dataplane::start_eal(calm);
  }();
  return started;
}

Result<std::unique_ptr<SimulatedGateway>> SimulatedGateway::start(ctrl::Model model,
                                                                  const SimulationStart& start) {
  std::unique_ptr<SimulatedGateway> simulated(new SimulatedGateway(start));
  replace_machine(model, *simulated, start.ledger_files != nullptr, simulated->scratch_);
  auto gateway = ctrl::Gateway::start(std::move(model), "file", {}, {}, simulated.get());
  if (!gateway) return tl::unexpected(gateway.error());
  simulated->gateway_ = std::move(*gateway);
  return simulated;
}

Result<uint16_t> SimulatedGateway::attach(const dataplane::PortConfig& config, unsigned rx_queues,
                                          unsigned tx_queues) {
  if (pool_ == nullptr) {
    const auto room =
        static_cast<uint16_t>(std::max<unsigned>(kDataRoom, config.mtu + 64u) + RTE_PKTMBUF_HEADROOM);
    const std::string name = "wire" + std::to_string(start_.number);
    pool_ = rte_pktmbuf_pool_create(name.c_str(), kBuffers, 0, sizeof(dataplane::PacketMeta), room,
                                    SOCKET_ID_ANY);
    if (pool_ == nullptr) return fail(std::string("no memory for packets: ") + rte_strerror(rte_errno));
  }
  const std::string name = "sim" + std::to_string(start_.number) + "_" + std::to_string(devices_.size());
  auto device = RingDevice::create(name, std::min(rx_queues, start_.rx_queues), tx_queues, pool_);
  if (!device) return fail("port \"" + config.name + "\": " + device.error().message);
  devices_.push_back(std::move(*device));
  return devices_.back()->port_id();
}

void SimulatedGateway::launch(dataplane::WorkerLoop& loop) {
  loop.begin(now_);
  loops_.push_back(&loop);
}

void SimulatedGateway::launch(dataplane::JournalThread& journal) {
  journal_ = &journal;
  for (dataplane::SyncThread* const sync : journal.syncs()) syncs_.push_back({sync});
}

void SimulatedGateway::take_sent() {
  for (unsigned port = 0; port < devices_.size(); ++port) {
    devices_[port]->take_sent([&](Frame frame) { on_sent_(port, std::move(frame)); });
  }
}

bool SimulatedGateway::has_waiting() const {
  return std::ranges::any_of(devices_, [](const auto& device) { return device->has_waiting(); });
}

unsigned SimulatedGateway::buffers_out() const {
  return rte_mempool_in_use_count(pool_);
}

bool SimulatedGateway::step(unsigned thread) {
  if (thread >= loops_.size() + hash_loops_.size()) {
    const bool has_synced = step_syncs();
    return turn_journal() == JournalTurn::kMoved || has_synced;
  }
  if (thread >= loops_.size()) return hash_loops_[thread - loops_.size()]->step(now_);
  for (const auto& device : devices_) device->refill();
  const bool busy = loops_[thread]->step(now_);
  take_sent();
  return busy;
}

bool SimulatedGateway::step_syncs() {
  bool busy = false;
  for (Sync& sync : syncs_) {
    if (!sync.thread->has_begun()) continue;
    if (!sync.due) sync.due = now_ + on_sync_();
    if (now_ < *sync.due) continue;
    sync.due.reset();
    busy |= sync.thread->step();
  }
  return busy;
}

JournalTurn SimulatedGateway::turn_journal() {
  const auto unix_time = std::chrono::nanoseconds(wall().time_since_epoch());
  return journal_->step({.monotonic_ns = now_, .unix_ns = static_cast<uint64_t>(unix_time.count())});
}

void SimulatedGateway::settle() {
  for (unsigned round = 0;; ++round) {
    check(round < kMostRounds, "workers that get nothing new come to rest");
    bool busy = false;
    for (unsigned thread = 0; thread < threads(); ++thread) busy |= step(thread);
    if (!busy) return;
  }
}

void SimulatedGateway::advance_workers(Nanoseconds then) {
  while (now_ < then) {
    now_ = std::min(then, (now_ / kMillisecond + 1) * kMillisecond);
    if (now_ % kMillisecond == 0) settle();
  }
}

void SimulatedGateway::advance(Nanoseconds then) {
  while (now_ < then) {
    now_ = std::min(then, (now_ / kMillisecond + 1) * kMillisecond);
    if (now_ % kMillisecond != 0) return;
    settle();
    tick();
  }
}

void SimulatedGateway::tick() {
  ++ticks_;
  if (ticks_ % kStoreTick == 0) gateway_->tick();
  if (ticks_ % kMaintenance == 0) gateway_->maintain();
  if (ticks_ % kSourceMaintenance == 0) gateway_->mind_sources();
}

dataplane::Explanation SimulatedGateway::explain(const FlowKey& key) {
  std::optional<dataplane::Explanation> answer;
  gateway_->explain(key, [&](ctrl::Outcome<dataplane::Explanation> outcome) {
    check(outcome.has_value(), "a question that is asked alone is answered");
    answer = *outcome;
  });
  for (unsigned round = 0; !answer; ++round) {
    check(round < kMostRounds, "a question that is asked alone is answered");
    gateway_->tick();
    settle();
  }
  return *answer;
}

void SimulatedGateway::stop() {
  gateway_->stop();
}

void SimulatedGateway::sleep(std::chrono::nanoseconds duration) {
  advance_workers(now_ + static_cast<Nanoseconds>(duration.count()));
}

void SimulatedGateway::join() {
  settle();
  for (dataplane::WorkerLoop* const loop : loops_) loop->end();
  take_sent();
}

/// Its workers have stopped, and take no more turns.
bool SimulatedGateway::join(dataplane::JournalThread&, std::chrono::milliseconds patience) {
  const Nanoseconds deadline = now_ + static_cast<Nanoseconds>(std::chrono::nanoseconds(patience).count());
  while (now_ < deadline) {
    const bool has_synced = step_syncs();
    const JournalTurn turn = turn_journal();
    if (turn == JournalTurn::kEnded) return true;
    if (turn == JournalTurn::kNothing && !has_synced) now_ += kMillisecond;
  }
  return false;
}

std::chrono::steady_clock::time_point SimulatedGateway::steady() const {
  return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(now_));
}

std::chrono::system_clock::time_point SimulatedGateway::wall() const {
  return std::chrono::system_clock::time_point(start_.since_1970 +
                                               std::chrono::nanoseconds(now_ - start_.now));
}

void SimulatedGateway::sleep_until(std::chrono::steady_clock::time_point then) {
  const auto until = static_cast<Nanoseconds>(then.time_since_epoch().count());
  if (until <= now_) return;
  on_wait_ ? on_wait_(until) : advance_workers(until);
}

}  // namespace sluice::sim
