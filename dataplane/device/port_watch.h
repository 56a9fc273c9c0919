// What becomes of the ports while the gateway runs: whether their links are up, and whether the kernel's
// interfaces below them still carry packets of the ports' MTU. What changes is said once, in the log.
// Observed by the control thread; link_up() is for any.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "dataplane/device/boot_config.h"
#include "dataplane/tables/tables.h"

namespace sluice::dataplane {

/// An interface of the kernel, asked for by its index.
struct KernelInterface {
  std::string name;  ///< empty: it is gone
  bool is_up = false;
  bool has_carrier = false;
  unsigned mtu = 0;
};
/// Its state now. `socket`: any socket of the network namespace.
KernelInterface kernel_interface(int socket, unsigned index);

class PortWatch {
 public:
  PortWatch();
  ~PortWatch();
  PortWatch(const PortWatch&) = delete;
  PortWatch& operator=(const PortWatch&) = delete;

  /// The next configured port, whose device is attached. Until it is observed its link counts as up.
  void add(const PortConfig& config, uint16_t device);
  /// Looks at all of them, at most every kInterval; says what has changed.
  void observe(std::chrono::steady_clock::time_point now);

  static constexpr std::chrono::milliseconds kInterval{20};

  const std::atomic<bool>& link_up(size_t port) const { return links_[port]; }

 private:
  struct Watched {
    std::string name;
    uint16_t device;
    unsigned interface;  ///< of the kernel, that the device sends by; 0: none
    std::string interface_name;
    uint16_t mtu;
    unsigned interface_mtu;  ///< as last seen; 0: not yet
  };
  void observe_interface(Watched& port, std::atomic<bool>& link);
  void observe_device(const Watched& port, std::atomic<bool>& link);
  void compare_mtu(Watched& port, unsigned mtu);

  int socket_;
  std::chrono::steady_clock::time_point next_{};
  std::vector<Watched> ports_;
  std::array<std::atomic<bool>, kMaxPorts> links_;
};

}  // namespace sluice::dataplane
