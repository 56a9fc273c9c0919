#include "lb/schedule.h"

#include <algorithm>
#include <numeric>
#include <queue>

namespace sluice::lb {
namespace {

/// How many entries a weight has at the scale `factor` / 2^32: rounded, at least one.
uint64_t scaled(uint64_t weight, uint64_t factor) {
  return std::max<uint64_t>(1, (weight * factor + (uint64_t{1} << 31)) >> 32);
}

/// Entries of each backend, their sum at most `most`; expects no more than `most` backends.
std::vector<uint32_t> shares(std::span<const WeightedEndpoint> backends, uint32_t most) {
  uint32_t divisor = 0;
  uint64_t sum = 0;
  for (const auto& backend : backends) {
    divisor = std::gcd(divisor, backend.weight);
    sum += backend.weight;
  }
  std::vector<uint32_t> result;
  if (sum / divisor <= most) {
    for (const auto& backend : backends) result.push_back(backend.weight / divisor);
    return result;
  }
  // The greatest scale at which the sum fits, found by halving: the sum grows with the scale.
  uint64_t factor = 0;
  for (uint64_t step = uint64_t{1} << 31; step != 0; step /= 2) {
    uint64_t total = 0;
    for (const auto& backend : backends) total += scaled(backend.weight, factor + step);
    if (total <= most) factor += step;
  }
  for (const auto& backend : backends) {
    result.push_back(static_cast<uint32_t>(scaled(backend.weight, factor)));
  }
  return result;
}

/// The k-th entry of a backend with `share` of `total` entries belongs into the positions from
/// floor(k * total / share) up to, not including, ceil((k + 1) * total / share).
struct Window {
  uint32_t end;
  uint32_t backend;
  bool operator>(const Window& other) const {
    return end != other.end ? end > other.end : backend > other.backend;
  }
};

}  // namespace

std::vector<BackendId> build_schedule(std::span<const WeightedEndpoint> backends, uint32_t most) {
  if (backends.empty()) return {};
  backends = backends.first(std::min<size_t>(backends.size(), most));
  const std::vector<uint32_t> share = shares(backends, most);
  const uint64_t total = std::accumulate(share.begin(), share.end(), uint64_t{0});

  constexpr uint32_t kNobody = UINT32_MAX;
  // Whose next window opens at each position: lists threaded through `next_opening`.
  std::vector<uint32_t> opening(total, kNobody);
  std::vector<uint32_t> next_opening(backends.size());
  std::vector<uint32_t> used(backends.size());
  const auto open_at = [&](uint64_t position, uint32_t backend) {
    next_opening[backend] = opening[position];
    opening[position] = backend;
  };
  for (uint32_t i = 0; i < backends.size(); ++i) open_at(0, i);

  std::priority_queue<Window, std::vector<Window>, std::greater<>> open;
  std::vector<BackendId> result;
  result.reserve(total);
  for (uint64_t position = 0; position < total; ++position) {
    for (uint32_t i = opening[position]; i != kNobody; i = next_opening[i]) {
      const uint64_t end = ((used[i] + 1) * total + share[i] - 1) / share[i];
      open.push({static_cast<uint32_t>(end), i});
    }
    // Never empty: the windows opened so far demand at least position + 1 entries.
    const uint32_t chosen = open.top().backend;
    open.pop();
    result.push_back(backends[chosen].id);
    if (++used[chosen] < share[chosen]) {
      // A window may open in the past where the one before it was used at its very end.
      open_at(std::max(position + 1, used[chosen] * total / share[chosen]), chosen);
    }
  }
  return result;
}

}  // namespace sluice::lb
