// The hash of the flow table. Any thread; plain values.
#pragma once

#include <immintrin.h>

#include <array>
#include <cstdint>
#include <span>

#include "common/bytes.h"
#include "common/flow_key.h"

namespace sluice::lb {

/// A fast keyed hash: NH (RFC 4418, section 5.2), an almost-universal family, so that nobody who does not
/// know the seed can aim flows at one bucket; then mixed. It is not the policy's hash.
class FlowHash {
 public:
  explicit FlowHash(uint64_t seed);

  uint64_t operator()(const FlowKey& key) const {
    const auto* bytes = reinterpret_cast<const uint8_t*>(&key);
    uint64_t sum = 0;
    for (size_t i = 0; i < kWords; i += 2) {
      sum += uint64_t{load<uint32_t>(bytes + 4 * i) + keys_[i]} *
             (load<uint32_t>(bytes + 4 * i + 4) + keys_[i + 1]);
    }
    return mix(sum);
  }

  /// The hash of an IPv4 packet's key. Its four fields are as they lie in the packet.
  uint64_t hash_v4(uint32_t source, uint32_t destination, uint32_t ports, uint32_t protocol) const {
    return mix(v4_constant_ + uint64_t{mapped_source_} * (source + keys_[3]) +
               uint64_t{mapped_destination_} * (destination + keys_[7]) +
               uint64_t{ports + keys_[8]} * (protocol + keys_[9]));
  }
  /// The hashes of the keys of eight IPv4 packets. The four fields of each, as they lie in the packet, are
  /// 32-bit lanes.
  [[gnu::always_inline]] void hash_eight(__m256i source, __m256i destination, __m256i ports, __m256i protocol,
                                         std::span<uint64_t, 8> hashes) const {
    const auto key = [](uint32_t word) { return _mm256_set1_epi32(static_cast<int>(word)); };
    __m256i even = _mm256_set1_epi64x(static_cast<int64_t>(v4_constant_)), odd = even;
    const auto add_products = [&](__m256i a, __m256i odd_a, __m256i b) {
      even = _mm256_add_epi64(even, _mm256_mul_epu32(a, b));
      odd = _mm256_add_epi64(odd, _mm256_mul_epu32(odd_a, _mm256_srli_epi64(b, 32)));
    };
    // In front of an address is the same word in all lanes.
    const __m256i before_source = key(mapped_source_), before_destination = key(mapped_destination_);
    add_products(before_source, before_source, _mm256_add_epi32(source, key(keys_[3])));
    add_products(before_destination, before_destination, _mm256_add_epi32(destination, key(keys_[7])));
    const __m256i keyed_ports = _mm256_add_epi32(ports, key(keys_[8]));
    add_products(keyed_ports, _mm256_srli_epi64(keyed_ports, 32), _mm256_add_epi32(protocol, key(keys_[9])));
    store_mixed(even, odd, hashes);
  }
  /// The same for IPv6; of each address the four words.
  template <typename Lanes>
  [[gnu::always_inline]] void hash_eight_v6(const std::array<Lanes, 4>& source,
                                            const std::array<Lanes, 4>& destination, Lanes ports,
                                            Lanes protocol, std::span<uint64_t, 8> hashes) const {
    __m256i even = _mm256_setzero_si256(), odd = even;
    const auto add_product = [&](size_t word, Lanes first, Lanes second) {
      const auto a = reinterpret_cast<__m256i>(first + keys_[word]);
      const auto b = reinterpret_cast<__m256i>(second + keys_[word + 1]);
      even = _mm256_add_epi64(even, _mm256_mul_epu32(a, b));
      odd = _mm256_add_epi64(odd, _mm256_mul_epu32(_mm256_srli_epi64(a, 32), _mm256_srli_epi64(b, 32)));
    };
    add_product(0, source[0], source[1]);
    add_product(2, source[2], source[3]);
    add_product(4, destination[0], destination[1]);
    add_product(6, destination[2], destination[3]);
    add_product(8, ports, protocol);
    store_mixed(even, odd, hashes);
  }

 private:
  static constexpr uint64_t kMultiplier = 0x9e3779b97f4a7c15;
  static constexpr uint64_t kAlwaysSet = uint64_t{1} << 48;  ///< so that the upper sixteen bits are never 0
  /// No constant to the compiler, which would put one together in three instructions.
  [[gnu::visibility("hidden")]] inline static constinit std::array<uint64_t, 4> kAlwaysSetInFour{
      kAlwaysSet, kAlwaysSet, kAlwaysSet, kAlwaysSet};

  /// Spreads the sum's 2^-32 over all bits.
  static uint64_t mix(uint64_t sum) {
    const uint64_t product = static_cast<uint32_t>(sum ^ sum >> 32) * kMultiplier;
    return (product ^ product >> 29) | kAlwaysSet;
  }
  static __m256i mix_four(__m256i sums) {
    const __m256i folded = _mm256_xor_si256(sums, _mm256_srli_epi64(sums, 32));
    const __m256i low = _mm256_mul_epu32(folded, _mm256_set1_epi64x(static_cast<int64_t>(kMultiplier)));
    const __m256i high =
        _mm256_mul_epu32(folded, _mm256_set1_epi64x(static_cast<int64_t>(kMultiplier >> 32)));
    const __m256i product = _mm256_add_epi64(low, _mm256_slli_epi64(high, 32));
    return _mm256_xor_si256(product, _mm256_srli_epi64(product, 29));
  }

  /// `even` and `odd`: the sums of the lanes with such numbers.
  [[gnu::always_inline]] static void store_mixed(__m256i even, __m256i odd, std::span<uint64_t, 8> hashes) {
    const __m256i always_set = load<__m256i>(kAlwaysSetInFour.data());
    even = _mm256_or_si256(mix_four(even), always_set);
    odd = _mm256_or_si256(mix_four(odd), always_set);
    const __m256i low = _mm256_unpacklo_epi64(even, odd), high = _mm256_unpackhi_epi64(even, odd);
    store(hashes.data(), _mm256_permute2x128_si256(low, high, 0x20));
    store(hashes.data() + 4, _mm256_permute2x128_si256(low, high, 0x31));
  }

  static constexpr size_t kWords = sizeof(FlowKey) / 4;
  std::array<uint32_t, kWords> keys_;
  // Of the words that are the same in every IPv4 key:
  uint64_t v4_constant_;                         ///< of those that are zero
  uint32_t mapped_source_, mapped_destination_;  ///< those in front of the addresses, with their keys
};

}  // namespace sluice::lb
