// What workers count and learn of one tunnel, from when it is configured until it is no more, whatever its
// keys. Shared by all Tables of that time.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>
#include <vector>

#include "common/counter.h"

namespace sluice::dataplane {

/// Why a packet is dropped at a tunnel; DropReason::kDenied with all.
enum class TunnelDrop : uint8_t { kIcv, kReplay, kUnknownSpi, kMalformed, kClear, kSequenceExhausted };
inline constexpr size_t kTunnelDrops = 6;
/// The names of interface.md, in the order of the enumeration.
inline constexpr std::array<std::string_view, kTunnelDrops> kTunnelDropNames = {
    "icv", "replay", "unknown_spi", "malformed", "clear", "sequence_exhausted"};

/// Written by one worker.
struct alignas(64) TunnelCounters {
  Counter packets_in;
  Counter bytes_in;  ///< of inner packets, as bytes_out
  Counter packets_out;
  Counter bytes_out;
  std::array<Counter, kTunnelDrops> dropped;

  void drop(TunnelDrop reason) { dropped[static_cast<size_t>(reason)].add(); }
};

/// The largest packet of the tunnel's own that passes the way between its ends, as a router on it has said
/// (RFC 4301, 8.2). Any thread.
class PathMtu {
 public:
  static constexpr uint32_t kValidMs = 600'000;  ///< RFC 1191, 6.3: ten minutes

  /// 0: nothing is known.
  uint16_t at(uint32_t now_ms) const {
    const uint64_t known = known_.load(std::memory_order_relaxed);
    const auto mtu = static_cast<uint16_t>(known);
    return mtu != 0 && now_ms - static_cast<uint32_t>(known >> 32) < kValidMs ? mtu : uint16_t{0};
  }
  void learn(uint16_t mtu, uint32_t now_ms) {
    known_.store(uint64_t{now_ms} << 32 | mtu, std::memory_order_relaxed);
  }

 private:
  std::atomic<uint64_t> known_{0};  ///< when 32 | unused 16 | MTU 16
};

struct TunnelState {
  explicit TunnelState(unsigned workers) : counters(workers) {}

  std::vector<TunnelCounters> counters;  ///< by worker
  PathMtu path_mtu;
};

}  // namespace sluice::dataplane
