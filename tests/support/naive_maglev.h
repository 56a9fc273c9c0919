// The Maglev rule of the reference documentation, word by word and as slow as that is: the oracle of the
// unit tests and the peer of the benchmark.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "common/siphash.h"
#include "lb/maglev.h"

namespace sluice::test {

inline std::vector<lb::BackendId> naive_maglev(std::vector<lb::WeightedEndpoint> backends, uint64_t size,
                                               const SipKey& key) {
  std::vector<lb::BackendId> slots(backends.empty() ? 0 : size, lb::kNoBackend);
  if (backends.empty()) return slots;
  std::sort(backends.begin(), backends.end(),
            [](const auto& a, const auto& b) { return a.endpoint < b.endpoint; });
  struct State {
    uint64_t offset, skip, next, credit;
  };
  std::vector<State> states;
  uint64_t greatest = 0;
  for (const auto& backend : backends) {
    std::vector<uint8_t> input(20);
    std::copy_n(backend.endpoint.bytes().begin(), 19, input.begin());
    const uint64_t offset = siphash24(key, input.data(), 20) % size;
    input[19] = 1;
    states.push_back({offset, siphash24(key, input.data(), 20) % (size - 1) + 1, 0, 0});
    greatest = std::max<uint64_t>(greatest, backend.weight);
  }
  for (uint64_t filled = 0;;) {
    for (size_t i = 0; i < backends.size(); ++i) {
      states[i].credit += backends[i].weight;
      if (states[i].credit < greatest) continue;
      states[i].credit -= greatest;
      uint64_t slot;
      do slot = (states[i].offset + states[i].next++ * states[i].skip) % size;
      while (slots[slot] != lb::kNoBackend);
      slots[slot] = backends[i].id;
      if (++filled == size) return slots;
    }
  }
}

}  // namespace sluice::test
