// Whether a plain packet has the key of a flow that it may be of. Pure; any thread.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "common/bytes.h"
#include "common/headers.h"
#include "lb/flow_table.h"

namespace sluice::dataplane {

/// Whether the plain packet at `ip` has the key of `flow`, which may be any entry, used or not.
template <bool is_v4>
[[gnu::always_inline]] inline bool has_key_of(const lb::FlowTable& flows, const uint8_t* ip,
                                              const lb::FlowEntry& flow) {
  if constexpr (is_v4) {
    const __m128i compared = _mm_set_epi32(-1, -1, -1, 0x0000ff00);  // not the TTL and the checksum
    const __m128i differs =
        _mm_xor_si128(load<__m128i>(&flow.key), load<__m128i>(ip + lb::PackedKey::kIpv4Offset));
    return _mm_testz_si128(differs, compared) != 0;
  } else {
    const __m256i differs = _mm256_xor_si256(load<__m256i>(&flows.addresses6(flow).source),
                                             load<__m256i>(ip + offsetof(Ipv6Header, source)));
    const uint32_t ports_differ =
        load<uint32_t>(&flow.key.source_port) ^ load<uint32_t>(ip + sizeof(Ipv6Header));
    const uint32_t protocol_differs =
        flow.key.protocol_and_family ^ (ip[offsetof(Ipv6Header, next_header)] | lb::PackedKey::kIpv6);
    return (ports_differ | protocol_differs) == 0 && _mm256_testz_si256(differs, differs) != 0;
  }
}

}  // namespace sluice::dataplane
