#include "dataplane/device/port_watch.h"

#include <net/if.h>
#include <rte_ethdev.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dataplane/device/eal_log.h"

namespace sluice::dataplane {
namespace {

void say_link(const std::string& port, bool is_up, const std::string& why) {
  log_line(is_up ? LogLevel::kInfo : LogLevel::kWarning,
           "port \"" + port + "\": link is " + (is_up ? "up" : "down: " + why));
}

void set_link(const std::string& port, std::atomic<bool>& link, bool is_up, const std::string& why) {
  if (link.exchange(is_up, std::memory_order_relaxed) != is_up) say_link(port, is_up, why);
}

}  // namespace

KernelInterface kernel_interface(int socket, unsigned index) {
  KernelInterface result;
  ifreq request{};
  request.ifr_ifindex = static_cast<int>(index);
  if (ioctl(socket, SIOCGIFNAME, &request) != 0) return result;
  const std::string name = request.ifr_name;
  if (ioctl(socket, SIOCGIFFLAGS, &request) != 0) return result;
  result.is_up = (request.ifr_flags & IFF_UP) != 0;
  result.has_carrier = (request.ifr_flags & IFF_RUNNING) != 0;
  if (ioctl(socket, SIOCGIFMTU, &request) != 0) return result;
  result.mtu = static_cast<unsigned>(request.ifr_mtu);
  result.name = name;
  return result;
}

PortWatch::PortWatch() : socket_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
  for (auto& link : links_) link.store(true, std::memory_order_relaxed);
}

PortWatch::~PortWatch() {
  if (socket_ >= 0) close(socket_);
}

void PortWatch::add(const PortConfig& config, uint16_t device) {
  rte_eth_dev_info info{};
  const bool is_known = rte_eth_dev_info_get(device, &info) == 0;
  ports_.push_back({config.name, device, is_known && socket_ >= 0 ? info.if_index : 0, "", config.mtu, 0});
}

void PortWatch::observe(std::chrono::steady_clock::time_point now) {
  if (now < next_) return;
  next_ = now + kInterval;
  for (size_t i = 0; i < ports_.size(); ++i) {
    if (ports_[i].interface != 0) {
      observe_interface(ports_[i], links_[i]);
    } else {
      observe_device(ports_[i], links_[i]);
    }
  }
}

void PortWatch::observe_interface(Watched& port, std::atomic<bool>& link) {
  const KernelInterface interface = kernel_interface(socket_, port.interface);
  if (interface.name.empty()) {
    const std::string known = port.interface_name.empty() ? "below it" : port.interface_name;
    return set_link(port.name, link, false,
                    "interface " + known + " is gone; one that is made anew needs a restart");
  }
  port.interface_name = interface.name;
  set_link(port.name, link, interface.is_up && interface.has_carrier,
           "interface " + interface.name + (interface.is_up ? " has no carrier" : " is not up"));
  compare_mtu(port, interface.mtu);
}

void PortWatch::observe_device(const Watched& port, std::atomic<bool>& link) {
  rte_eth_link status{};
  // A driver that knows nothing of links sends whatever it is given.
  if (rte_eth_link_get_nowait(port.device, &status) != 0) return;
  set_link(port.name, link, status.link_status == RTE_ETH_LINK_UP, "the device has none");
}

void PortWatch::compare_mtu(Watched& port, unsigned mtu) {
  const unsigned before = port.interface_mtu;
  if (mtu == before) return;
  port.interface_mtu = mtu;
  const std::string place = "port \"" + port.name + "\": interface " + port.interface_name +
                            " has an MTU of " + std::to_string(mtu);
  const std::string own = std::to_string(port.mtu);
  if (mtu < port.mtu) {
    log_line(LogLevel::kWarning, place + ", the port one of " + own +
                                     ": larger packets than the interface's are lost there without a trace; "
                                     "`ip link set " +
                                     port.interface_name + " mtu " + own + "`, or lower the port's \"mtu\"");
  } else if (before != 0 && before < port.mtu) {
    log_line(LogLevel::kInfo, place + ": enough for the port's " + own);
  }
}

}  // namespace sluice::dataplane
