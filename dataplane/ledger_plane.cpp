#include "dataplane/ledger_plane.h"

#include "dataplane/ledger_station.h"

namespace sluice::dataplane {

std::string_view LedgerPlane::engine() const {
  return crypto::name_of(station_.engine());
}

LedgerReach LedgerPlane::reach() const {
  return {};
}

uint64_t LedgerPlane::received() const {
  return 0;
}

uint64_t LedgerPlane::ended(ledger::Outcome) const {
  return 0;
}

HistogramReading LedgerPlane::ack_ns() const {
  return {};
}

HistogramReading LedgerPlane::block_transactions() const {
  return {};
}

std::optional<Error> LedgerPlane::failure() const {
  return std::nullopt;
}

bool LedgerPlane::ask(LedgerRequest&) {
  return false;
}

}  // namespace sluice::dataplane
