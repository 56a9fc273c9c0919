// The Maglev rule of the reference documentation, word by word and as slow as that is: the oracle of the
// unit tests and the peer of the benchmark.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
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

/// The rule of slow starts in docs/decisions/0063, with one table for each of the ten layers.
inline std::vector<lb::BackendId> naive_layered_maglev(std::vector<lb::WeightedEndpoint> backends,
                                                       uint64_t size, const SipKey& key) {
  std::vector<std::vector<lb::BackendId>> tables;
  std::vector<unsigned __int128> ends;
  unsigned __int128 total = 0;
  uint8_t most = 0;
  for (auto& backend : backends) {
    backend.weight = backend.weight * 10 / backend.tenths;
    most = std::max(most, backend.tenths);
  }
  for (uint8_t tenths = 1; tenths <= most; ++tenths) {
    std::vector<lb::WeightedEndpoint> present;
    for (const auto& backend : backends) {
      if (backend.tenths < tenths) continue;
      present.push_back(backend);
      total += backend.weight;
    }
    tables.push_back(naive_maglev(present, size, key));
    ends.push_back(total);
  }
  std::vector<lb::BackendId> slots(backends.empty() ? 0 : size);
  std::map<lb::BackendId, std::vector<uint64_t>> stretches;
  for (uint64_t slot = 0; slot < slots.size(); ++slot) {
    slots[slot] = tables[0][slot];
    const bool differs = std::any_of(tables.begin(), tables.end(),
                                     [&](const auto& table) { return table[slot] != tables[0][slot]; });
    if (!differs) continue;
    const auto owner = std::find_if(backends.begin(), backends.end(),
                                    [&](const auto& backend) { return backend.id == tables[0][slot]; });
    stretches[owner->tenths < most ? owner->id : lb::kNoBackend].push_back(slot);
  }
  const auto inverse = [&](uint64_t slot) {
    uint64_t candidate = 0;
    while (slot != 0 && slot * candidate % size != 1) ++candidate;
    return candidate;
  };
  for (auto& [owner, stretch] : stretches) {
    std::map<uint64_t, uint64_t> by_inverse;
    for (const uint64_t slot : stretch) by_inverse[inverse(slot)] = slot;
    std::transform(by_inverse.begin(), by_inverse.end(), stretch.begin(),
                   [](const auto& of) { return of.second; });
    for (size_t i = 0; i < stretch.size(); ++i) {
      size_t layer = 0;
      while ((2 * i + 1) * total >= 2 * stretch.size() * ends[layer]) ++layer;
      slots[stretch[i]] = tables[layer][stretch[i]];
    }
  }
  return slots;
}

}  // namespace sluice::test
