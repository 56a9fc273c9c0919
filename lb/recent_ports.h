// Which translations of full-nat ended within the last minute: their backend may still hold the connection in
// TIME-WAIT, and refuse another one with the same addresses and ports. One worker's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace sluice::lb {

/// Remembers translations by the hash of their reply's key. Bounded: of five that share a place the one that
/// ended first is forgotten, which is then used again unnoticed. Allocates in the constructor alone.
class RecentPorts {
 public:
  /// How long Linux keeps a connection in TIME-WAIT (TCP_TIMEWAIT_LEN).
  static constexpr uint32_t kTimeWaitMs = 60'000;

  struct Ended {
    uint32_t ms_ago;         ///< less than kTimeWaitMs
    uint32_t next_sequence;  ///< that the backend has last expected of the client; 0: not known
  };

  /// Room for about `translations`.
  explicit RecentPorts(size_t translations);

  /// One has ended, or has been seen to end. Where next_sequence is 0, what was noted before stays.
  void note_end(uint64_t hash, uint32_t ended_ms, uint32_t next_sequence = 0);
  std::optional<Ended> find(uint64_t hash, uint32_t now_ms) const;
  /// It is in use again.
  void forget(uint64_t hash);

 private:
  struct alignas(64) Place {
    static constexpr size_t kWays = 5;
    std::array<uint32_t, kWays> tag{};  ///< 0: free
    std::array<uint32_t, kWays> ended_ms{};
    std::array<uint32_t, kWays> next_sequence{};
  };

  size_t place_of(uint64_t hash) const { return hash & (places_.size() - 1); }
  static uint32_t tag_of(uint64_t hash) {
    const auto tag = static_cast<uint32_t>(hash >> 32);
    return tag != 0 ? tag : 1;
  }
  static size_t way_for(const Place& place, uint32_t tag, uint32_t now_ms);

  std::vector<Place> places_;  ///< a power of two
};

}  // namespace sluice::lb
