// Frames that the kernel dropped because the receive ring of net_af_packet was full: DPDK 22.11's driver does
// not count them (packet(7), PACKET_STATISTICS).
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

namespace sluice::dataplane {

class SocketDrops {
 public:
  /// Of the device's packet sockets, which stay the driver's. Devices of other drivers have none.
  explicit SocketDrops(uint16_t device);

  /// All so far. Any thread.
  uint64_t read();

 private:
  std::vector<int> sockets_;
  std::atomic<uint64_t> sum_{0};  ///< the kernel counts from one reading to the next
};

}  // namespace sluice::dataplane
