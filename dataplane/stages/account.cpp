#include "dataplane/stages/account.h"

#include <time.h>

namespace sluice::dataplane {
namespace {

constexpr unsigned kMostWaits = 3000;
constexpr timespec kWait{0, 1'000'000};

/// Waits for room for the record of a flow. Nobody's packets wait meanwhile.
void tell_last(lb::FlowAccounts& accounts, const lb::FlowTable& flows, const lb::FlowEntry& flow,
               unsigned& waits) {
  while (waits < kMostWaits) {
    if (accounts.try_to_end(flows, flow, lb::FlowEnd::kShutdown)) return;
    ++waits;
    nanosleep(&kWait, nullptr);
  }
  accounts.end(flows, flow, lb::FlowEnd::kShutdown);
}

/// Known paths say what packets must see: they are found anew.
void stop_accounting(Worker& worker) {
  worker.accounts->close();
  worker.balancer.account_in(nullptr);
  worker.watch.account(false);
  worker.neighbors.next_version();
}

}  // namespace

void account_flows(Worker& worker) {
  const FlowReading* const reading = worker.tables->flow_reading.get();
  if (worker.accounts == nullptr || (reading == nullptr && !worker.accounts->is_open())) return;
  if (reading == nullptr) return stop_accounting(worker);
  worker.accounts->open(reading->lanes->of(worker.place.index), reading->shares);
  worker.balancer.account_in(worker.accounts);
  worker.watch.account(true);
  worker.neighbors.next_version();
}

void tell_last_flows(Worker& worker) {
  if (worker.accounts == nullptr || !worker.accounts->is_open()) return;
  const lb::FlowTable& flows = worker.balancer.flows();
  unsigned waits = 0;
  for (lb::FlowIndex i = 0; i < flows.capacity() && flows.size() != 0; ++i) {
    const lb::FlowEntry& flow = flows.at(i);
    if (flow.state == lb::FlowState::kFree || flow.is_reply) continue;
    tell_last(*worker.accounts, flows, flow, waits);
  }
  stop_accounting(worker);
}

}  // namespace sluice::dataplane
