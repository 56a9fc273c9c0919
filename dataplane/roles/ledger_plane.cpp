#include "dataplane/roles/ledger_plane.h"

#include <rte_cycles.h>

#include "dataplane/base/nanosecond_clock.h"
#include "dataplane/roles/ledger_station.h"

namespace sluice::dataplane {
namespace {

void add(HistogramReading& sum, const HistogramReading& more) {
  for (size_t i = 0; i <= more.bounds.size(); ++i) sum.buckets[i] += more.buckets[i];
  sum.sum += more.sum;
  sum.count += more.count;
}

}  // namespace

std::string_view LedgerPlane::engine() const {
  return crypto::name_of(station_.engine());
}

LedgerReach LedgerPlane::reach() const {
  LedgerReach reach = station_.journal().reach();
  reach.is_stalled = station_.sealer().is_stalled();
  return reach;
}

uint64_t LedgerPlane::received() const {
  uint64_t sum = 0;
  for (const ledger::OutcomeCounters* counters : station_.counters()) sum += counters->received.read();
  return sum;
}

uint64_t LedgerPlane::ended(ledger::Outcome outcome) const {
  uint64_t sum = 0;
  for (const ledger::OutcomeCounters* counters : station_.counters()) sum += counters->read(outcome);
  return sum;
}

HistogramReading LedgerPlane::ack_ns() const {
  HistogramReading sum = station_.sealer().ack_ns().read();
  for (unsigned i = 0; i < station_.hash_workers(); ++i) add(sum, station_.hash_worker(i).ack_ns().read());
  return sum;
}

HistogramReading LedgerPlane::block_transactions() const {
  return station_.sealer().block_transactions().read();
}

std::optional<Error> LedgerPlane::failure() const {
  return station_.journal().failure();
}

bool LedgerPlane::is_stuck() const {
  return station_.is_stuck();
}

uint64_t LedgerPlane::answers_lost() const {
  uint64_t sum = 0;
  for (unsigned i = 0; i < station_.hash_workers(); ++i) sum += station_.hash_worker(i).answers_lost().read();
  return sum;
}

bool LedgerPlane::ask(LedgerRequest& request) {
  return !station_.has_stopped() && station_.sealer().ask(request);
}

void LedgerPlane::sample_transactions(double share) {
  station_.sealer().watch().sample(share);
}

size_t LedgerPlane::take_traces(std::span<TransactionTrace> room) {
  const size_t count = station_.sealer().watch().take(room);
  const uint64_t now_ns = NanosecondClock(rte_get_tsc_hz()).at(rte_rdtsc());
  for (TransactionTrace& trace : room.first(count)) trace.told_ns = now_ns;
  return count;
}

uint64_t LedgerPlane::traces_lost() const {
  return station_.sealer().watch().lost();
}

}  // namespace sluice::dataplane
