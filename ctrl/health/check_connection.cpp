#include "ctrl/health/check_connection.h"

#include <algorithm>

namespace sluice::ctrl {
namespace {

using std::chrono::milliseconds;

/// A deadline that is noticed later than this by its own loop judges the loop, not the backend.
constexpr std::chrono::steady_clock::duration latest(milliseconds timeout) {
  return std::max<std::chrono::steady_clock::duration>(milliseconds(100), timeout / 4);
}

}  // namespace

void end_timed_out(milliseconds timeout, std::chrono::steady_clock::duration late,
                   const std::optional<std::string>& problem) {
  if (late > latest(timeout)) {
    const auto count = std::chrono::duration_cast<milliseconds>(late).count();
    throw CheckImpossible("the gateway was " + std::to_string(count) + " ms late itself");
  }
  if (problem) throw CheckImpossible(*problem);
  throw CheckFailed("timed out after " + std::to_string(timeout.count()) + " ms");
}

}  // namespace sluice::ctrl
