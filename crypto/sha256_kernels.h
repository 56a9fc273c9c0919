// What the SIMD kernels of SHA-256 take and promise. Their files are compiled for instruction sets that
// this CPU may lack, so nothing here is an inline function that the linker could share with other code;
// the engines call a kernel only where the CPU has it. Any thread; the callers own all memory.
#pragma once

#include <cstddef>
#include <cstdint>

#include "crypto/sha256_message.h"

namespace sluice::crypto {

inline constexpr unsigned kAvx2Lanes = 8;           ///< messages in one AVX2 register group
inline constexpr unsigned kLanes = 16;              ///< messages in one AVX-512 register group
inline constexpr unsigned kMostLanes = 2 * kLanes;  ///< messages of two interleaved groups

/// How a lane's message is hashed: bits of LaneGroup::kind.
enum LaneKind : uint8_t {
  kPrefixed = 1,    ///< byte 0 is a prefix, which does not lie in memory
  kNodePrefix = 2,  ///< with kPrefixed: 0x01, else 0x00
  kTwice = 4,       ///< SHA-256 of the SHA-256
};

/// Messages that one kernel call hashes side by side: arrays of as many entries as the kernel has lanes.
/// Costs as much as its longest message. Every lane is readable: an idle one repeats another with a null
/// digest.
struct LaneGroup {
  const uint32_t* total;        ///< bytes to hash, prefix included; below 2^29
  const uint8_t* const* start;  ///< of byte 0; a prefix itself is never read
  uint8_t* const* digest;       ///< 32 bytes each, any alignment
  const uint8_t* kind;          ///< LaneKind bits
  /// Where all totals are one multiple of 64: the 64 sums of schedule and round constants of the last
  /// block, which is padding alone and the same in every lane. Else null.
  const uint32_t* padding;
};

/// AVX-512 F, BW and VL: hashes the first 16 lanes, or all 32.
void sha256_avx512_x16(const LaneGroup& group);
void sha256_avx512_x32(const LaneGroup& group);

/// AVX2: hashes 8 lanes.
void sha256_avx2_x8(const LaneGroup& group);

/// parents[i] = SHA-256(0x01 | children[2i] | children[2i + 1]) for i < `count`, 1 to the number in the name.
/// The digests lie end to end. `parents` may be `children`: all is read before it is written.
void sha256_avx512_nodes_x16(const uint8_t* children, uint8_t* parents, unsigned count);
void sha256_avx512_nodes_x32(const uint8_t* children, uint8_t* parents, unsigned count);
void sha256_avx2_nodes_x8(const uint8_t* children, uint8_t* parents, unsigned count);

/// SHA extensions and AVX: hashes `count` messages, below 2^32 bytes each, four at a time, whatever their
/// lengths. A digest may be written before the messages behind it are read.
void sha256_shani(const Message* messages, size_t count);
/// The same instructions, and the rule of the other node kernels for any `count`.
void sha256_shani_nodes(const uint8_t* children, uint8_t* parents, size_t count);

/// The round constants (FIPS 180-4, 4.2.2) and the initial state (5.3.3).
extern const uint32_t kSha256Rounds[64];
extern const uint32_t kSha256Start[8];

}  // namespace sluice::crypto
