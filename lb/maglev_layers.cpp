#include "lb/maglev_layers.h"

#include <algorithm>

namespace sluice::lb {
namespace {

struct Layer {
  std::vector<BackendId> slots;  ///< of layers that have the same backends, one table
  uint64_t end;                  ///< the weights of these and all layers before
};

std::vector<Layer> build_layers(std::vector<WeightedEndpoint> backends, uint32_t table_size,
                                const SipKey& key) {
  std::vector<Layer> layers;
  uint64_t end = 0;
  for (uint32_t below = 0; !backends.empty();) {
    const uint32_t tenths = std::ranges::min(backends, {}, &WeightedEndpoint::tenths).tenths;
    uint64_t weights = 0;
    for (const WeightedEndpoint& backend : backends) weights += backend.weight;
    end += weights * (tenths - below);
    layers.push_back({build_maglev(backends, table_size, key), end});
    below = tenths;
    std::erase_if(backends, [&](const WeightedEndpoint& backend) { return backend.tenths == tenths; });
  }
  return layers;
}

/// Slots that are shared out among the layers in their order.
struct Stretch {
  uint32_t slots = 0;
  uint32_t passed = 0;

  const Layer& next(const std::vector<Layer>& layers) {
    // The middle of the slot, of all of the stretch, in units of a half.
    const auto middle = static_cast<unsigned __int128>(2 * uint64_t{passed++} + 1) * layers.back().end;
    return *std::ranges::find_if(layers, [&](const Layer& layer) {
      return middle < static_cast<unsigned __int128>(2 * uint64_t{slots}) * layer.end;
    });
  }
};

/// Of all numbers below a prime, modulo it; 0 is its own. No progression of slots, as backends have them in a
/// table, is one in this order.
std::vector<uint32_t> inverses_modulo(uint32_t prime) {
  std::vector<uint32_t> inverses = {0, 1};
  inverses.reserve(prime);
  for (uint32_t i = 2; i < prime; ++i) {
    const auto multiple = static_cast<uint32_t>(uint64_t{prime / i} * inverses[prime % i] % prime);
    inverses.push_back(prime - multiple);
  }
  return inverses;
}

}  // namespace

std::vector<BackendId> build_layered_maglev(std::span<const WeightedEndpoint> backends, uint32_t table_size,
                                            const SipKey& key) {
  if (backends.empty()) return {};
  const auto ends = std::ranges::minmax_element(backends, {}, &WeightedEndpoint::tenths);
  const auto most = ends.max->tenths;
  if (ends.min->tenths == most) return build_maglev(backends, table_size, key);

  std::vector<WeightedEndpoint> numbered(backends.begin(), backends.end());
  for (uint32_t i = 0; i < numbered.size(); ++i) {
    numbered[i].weight = backends[i].weight * kWholeWeight / backends[i].tenths;
    numbered[i].id = i;
  }
  const std::vector<Layer> layers = build_layers(std::move(numbered), table_size, key);
  std::vector<Stretch> stretches(backends.size() + 1);
  const auto stretch_of = [&](BackendId number) -> Stretch& {
    return backends[number].tenths < most ? stretches[number] : stretches.back();
  };
  const std::vector<BackendId>& first = layers.front().slots;
  const auto is_settled = [&](uint32_t slot) {
    return std::ranges::all_of(layers, [&](const Layer& layer) { return layer.slots[slot] == first[slot]; });
  };
  for (uint32_t slot = 0; slot < table_size; ++slot) {
    if (!is_settled(slot)) ++stretch_of(first[slot]).slots;
  }
  std::vector<BackendId> slots(table_size);
  for (const uint32_t slot : inverses_modulo(table_size)) {
    const Layer& layer = is_settled(slot) ? layers.front() : stretch_of(first[slot]).next(layers);
    slots[slot] = backends[layer.slots[slot]].id;
  }
  return slots;
}

}  // namespace sluice::lb
