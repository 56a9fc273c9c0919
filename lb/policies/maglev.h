// maglev: the slot that a flow's whole key hashes to.
#pragma once

#include <array>
#include <span>

#include "common/bytes.h"
#include "lb/policies/policy.h"

namespace sluice::lb {

inline uint64_t hash_flow_key(const FlowKey& key, const SipKey& hash_key) {
  return siphash24(hash_key, &key, FlowKey::kHashedBytes);
}

/// The same of four keys.
inline std::array<uint64_t, 4> hash_four_flow_keys(std::span<const FlowKey* const, 4> keys,
                                                   const SipKey& hash_key) {
  using Four [[gnu::vector_size(32)]] = uint64_t;
  const auto words = [&](size_t number) {
    const auto word = [&](size_t lane) {
      return load<uint64_t>(reinterpret_cast<const uint8_t*>(keys[lane]) + 8 * number);
    };
    return Four{word(0), word(1), word(2), word(3)};
  };
  constexpr size_t kWhole = FlowKey::kHashedBytes / 8;
  SipState<Four> state(hash_key);
  for (size_t number = 0; number < kWhole; ++number) state.add(words(number));
  // Behind the hashed bytes of the last word the key has zeros.
  static_assert(sizeof(FlowKey) == 8 * (kWhole + 1));
  state.add(words(kWhole) | last_sip_word(0, FlowKey::kHashedBytes));
  const Four hashes = state.finish();
  return {hashes[0], hashes[1], hashes[2], hashes[3]};
}

inline constexpr PolicyRow kMaglevPolicy{Policy::kMaglev, "maglev", hash_flow_key};

}  // namespace sluice::lb
