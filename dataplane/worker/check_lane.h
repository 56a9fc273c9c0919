// Packets of health checks on their way through the data plane: out to a backend as a service's packets go,
// and the answers to an address of the gateway back. Between the control thread, which speaks TCP or UDP, and
// the workers, which only carry.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "common/address.h"
#include "common/spsc_ring.h"
#include "lb/service.h"

namespace sluice::dataplane {

/// The largest bare IP packet of a check, either way.
inline constexpr size_t kMostCheckBytes = 1500;

/// A bare IP packet of a check. Of those that come back, the packet alone has a meaning.
struct CheckPacket {
  lb::ForwardMode mode{};  ///< to the backend: ipip, gue or direct
  IpAddress backend;
  uint16_t size = 0;
  std::array<uint8_t, kMostCheckBytes> bytes;

  std::span<const uint8_t> ip() const { return std::span(bytes).first(size); }
};

/// The ports of the gateway's own addresses at which checks wait for answers. All else that comes from a VIP
/// to there is a martian, as ever.
class CheckPorts {
 public:
  /// Control thread.
  void open(uint16_t port) { word(port).fetch_or(bit(port), std::memory_order_relaxed); }
  void close(uint16_t port) { word(port).fetch_and(~bit(port), std::memory_order_relaxed); }
  /// Any thread.
  bool is_open(uint16_t port) const {
    return (words_[port / 64].load(std::memory_order_relaxed) & bit(port)) != 0;
  }

 private:
  static constexpr uint64_t bit(uint16_t port) { return uint64_t{1} << port % 64; }
  std::atomic<uint64_t>& word(uint16_t port) { return words_[port / 64]; }

  std::array<std::atomic<uint64_t>, 65536 / 64> words_{};
};

/// One worker's end. What does not fit its rings is lost, as on a wire: who speaks TCP repeats it.
struct CheckLane {
  static constexpr size_t kRing = 64;  ///< packets that may wait, either way

  explicit CheckLane(const CheckPorts& open_ports) : ports(open_ports) {}
  const CheckPorts& ports;
  SpscRing<CheckPacket> to_worker{kRing};
  SpscRing<CheckPacket> from_worker{kRing};
};

/// The control thread's end. Made with the workers, and outlives them.
class CheckLanes {
 public:
  /// For one more worker that balances. Before the workers start.
  CheckLane& add() { return *lanes_.emplace_back(std::make_unique<CheckLane>(ports_)); }

  CheckPorts& ports() { return ports_; }
  /// By any worker will do; the first one's. False: it has not taken what was sent before.
  bool send(const CheckPacket& packet) { return lanes_.front()->to_worker.push(packet); }
  /// Fills `packets` from the front; returns how many there were.
  size_t take(std::span<CheckPacket> packets) {
    size_t count = 0;
    for (const auto& lane : lanes_) count += lane->from_worker.pop(packets.subspan(count));
    return count;
  }

 private:
  CheckPorts ports_;
  std::vector<std::unique_ptr<CheckLane>> lanes_;
};

}  // namespace sluice::dataplane
