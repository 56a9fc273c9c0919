// Our own SHA-256 engine in lanes: puts messages of like length side by side and runs the AVX-512 or AVX2
// kernels over them. One object per thread; it holds its scratch, so nothing is allocated after it is made.
#pragma once

#include <array>
#include <optional>
#include <span>

#include "crypto/sha256_kernels.h"

namespace sluice::crypto {

/// The kernels of one instruction set, and what suits them. A null pointer: there is none.
struct LaneKernels {
  unsigned lanes = 0;      ///< of one group
  unsigned few_lanes = 0;  ///< a group of fewer messages costs less one after the other
  void (*hash)(const LaneGroup&) = nullptr;
  void (*hash_nodes)(const uint8_t* children, uint8_t* parents, unsigned count) = nullptr;
  /// Two groups interleaved, where a CPU gains by it.
  void (*hash_two)(const LaneGroup&) = nullptr;
  void (*hash_two_nodes)(const uint8_t* children, uint8_t* parents, unsigned count) = nullptr;
  /// The few that fill no group; else OpenSSL hashes them.
  void (*hash_few)(const Message* messages, size_t count) = nullptr;
};

/// What suits this CPU. AVX-512: two interleaved groups where a 512-bit operation takes two cycles to finish
/// (AMD), one group, which needs no interleaving and wastes fewer lanes on ragged lengths, where it takes
/// one. Nothing where the CPU or its operating system lacks AVX-512 F, BW or VL, or AVX2.
std::optional<LaneKernels> avx512_kernels();
std::optional<LaneKernels> avx2_kernels();

/// The engine: see crypto/sha256.h for what its calls promise.
class LaneSha256 {
 public:
  static constexpr size_t kBatch = 256;  ///< enough to find messages of like length

  explicit LaneSha256(const LaneKernels& kernels) : kernels_(kernels) {}

  void hash(std::span<const Message> messages);
  void hash_nodes(std::span<const Digest> children, std::span<Digest> parents);

 private:
  static constexpr unsigned kWindow = 512;     // messages sorted together
  static constexpr unsigned kTooLong = 255;    // bucket of what no lane takes; before it, by falling blocks
  static constexpr uint64_t kLongest = 65536;  // bytes of a message that goes through lanes

  unsigned lay_out(std::span<const Message> messages);
  void place_sorted(std::span<const Message> messages, unsigned first_bucket, unsigned last_bucket);
  void place(const Message& message, unsigned lane);
  void run(unsigned count);
  /// How many lanes the next kernel call has for `left` messages: two interleaved groups where the second has
  /// enough to do, else one.
  unsigned lanes_for(size_t left) const {
    const bool takes_two = kernels_.hash_two != nullptr && left >= kernels_.lanes + kernels_.few_lanes;
    return takes_two ? 2 * kernels_.lanes : kernels_.lanes;
  }
  void run_one_by_one(const LaneGroup& group, unsigned count);
  LaneGroup group_at(unsigned first, unsigned count, unsigned lanes);
  void update_padding(uint32_t least_total, uint32_t most_total);

  LaneKernels kernels_;

  // The window in falling order of block count, one array for each field of LaneGroup; behind it room
  // for the idle lanes of the last group.
  alignas(64) std::array<uint32_t, kWindow + kMostLanes> total_{};
  std::array<const uint8_t*, kWindow + kMostLanes> start_{};
  std::array<uint8_t*, kWindow + kMostLanes> digest_{};
  std::array<uint8_t, kWindow + kMostLanes> kind_{};
  std::array<uint8_t, kWindow> bucket_{};

  bool padding_alone_ = false;           // every message of the window ends in the block of padding_
  uint32_t padding_total_ = UINT32_MAX;  // the length that padding_ was computed for
  std::array<uint32_t, 64> padding_{};
};

}  // namespace sluice::crypto
