#include "dataplane/ledger_station.h"

#include <time.h>

#include "crypto/sha256_choice.h"

namespace sluice::dataplane {
namespace {

uint64_t monotonic_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace

Result<std::unique_ptr<LedgerStation>> LedgerStation::create(const LedgerConfig& config) {
  const auto choice = crypto::choose_sha256(config.sha256, monotonic_ns);
  if (!choice) return fail(choice.error().message, "/ledger/sha256");
  auto station = std::make_unique<LedgerStation>();
  station->engine_ = choice->engine;
  return station;
}

}  // namespace sluice::dataplane
