// Our own SHA-256 engine: puts messages of like length side by side and runs the AVX-512 kernels over
// them. One object per thread; it holds its scratch, so nothing is allocated after it is made.
#pragma once

#include <array>
#include <optional>
#include <span>

#include "crypto/sha256_kernels.h"
#include "crypto/sha256_message.h"

namespace sluice::crypto {

/// The engine: see crypto/sha256.h for what its calls promise.
class LaneSha256 {
 public:
  /// Nothing where this CPU or its operating system lacks AVX-512 F, BW or VL. `most_lanes` is kLanes or
  /// kMostLanes: how many messages a kernel takes at once.
  static std::optional<LaneSha256> create(unsigned most_lanes = best_most_lanes());

  /// What suits this CPU: two interleaved groups where a 512-bit operation takes two cycles to finish (AMD),
  /// one group, which needs no interleaving and wastes fewer lanes on ragged lengths, where it takes one.
  static unsigned best_most_lanes();

  void hash(std::span<const Message> messages);
  void hash_nodes(std::span<const Digest> children, std::span<Digest> parents);

 private:
  static constexpr unsigned kWindow = 512;     // messages sorted together
  static constexpr unsigned kTooLong = 255;    // bucket of what no lane takes; before it, by falling blocks
  static constexpr uint64_t kLongest = 65536;  // bytes of a message that goes through lanes

  LaneSha256(bool has_sha_ni, unsigned fewest_lanes, unsigned most_lanes)
      : has_sha_ni_(has_sha_ni), fewest_lanes_(fewest_lanes), most_lanes_(most_lanes) {}

  unsigned lay_out(std::span<const Message> messages);
  void place_sorted(std::span<const Message> messages, unsigned first_bucket, unsigned last_bucket);
  void place(const Message& message, unsigned lane);
  void run(unsigned count);
  /// How many lanes the next kernel call has for `left` messages: two interleaved groups where the second has
  /// enough to do, else one.
  unsigned lanes_for(size_t left) const { return left >= kLanes + fewest_lanes_ ? most_lanes_ : kLanes; }
  void run_one_by_one(const LaneGroup& group, unsigned count);
  LaneGroup group_at(unsigned first, unsigned count, unsigned lanes);
  void update_padding(uint32_t least_total, uint32_t most_total);

  bool has_sha_ni_;
  unsigned fewest_lanes_;  // a group of fewer messages costs less one after the other
  unsigned most_lanes_;

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
