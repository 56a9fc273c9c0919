#include "dataplane/device/kernel_tap.h"

#include <linux/if_addr.h>
#include <net/if.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <signal.h>

#include <algorithm>
#include <cctype>
#include <memory>

#include "dataplane/device/eal_log.h"
#include "dataplane/device/port.h"
#include "dataplane/packet/ethernet.h"

namespace sluice::dataplane {
namespace {

constexpr unsigned kMaxTapQueues = 16;  ///< RTE_PMD_TAP_MAX_QUEUES
constexpr uint16_t kTapDescriptors = 256;

using Socket = std::unique_ptr<nl_sock, decltype(&nl_socket_free)>;
using NetlinkAddress = std::unique_ptr<nl_addr, decltype(&nl_addr_put)>;
using RouteLink = std::unique_ptr<rtnl_link, decltype(&rtnl_link_put)>;
using LinkAddress = std::unique_ptr<rtnl_addr, decltype(&rtnl_addr_put)>;

/// Adds one address to an interface; 0, or a negative error of libnl.
int add_address(nl_sock* socket, unsigned interface, const Prefix& own) {
  const bool v4 = own.address.is_v4();
  const auto* bytes = own.address.bytes().data() + (v4 ? 12 : 0);
  const NetlinkAddress local(nl_addr_build(v4 ? AF_INET : AF_INET6, bytes, v4 ? 4 : 16), nl_addr_put);
  const LinkAddress address(rtnl_addr_alloc(), rtnl_addr_put);
  if (local == nullptr || address == nullptr) return -NLE_NOMEM;
  nl_addr_set_prefixlen(local.get(), own.length);
  rtnl_addr_set_ifindex(address.get(), static_cast<int>(interface));
  if (const int error = rtnl_addr_set_local(address.get(), local.get()); error < 0) return error;
  if (!v4) rtnl_addr_set_flags(address.get(), IFA_F_NODAD);  // the gateway itself answers for it already
  return rtnl_addr_add(socket, address.get(), NLM_F_REPLACE);
}

/// Sets an interface's MTU, which the tap driver itself denies above 1504; 0, or a negative error of libnl.
int set_interface_mtu(nl_sock* socket, unsigned interface, uint16_t mtu) {
  const RouteLink which(rtnl_link_alloc(), rtnl_link_put);
  const RouteLink wanted(rtnl_link_alloc(), rtnl_link_put);
  if (which == nullptr || wanted == nullptr) return -NLE_NOMEM;
  rtnl_link_set_ifindex(which.get(), static_cast<int>(interface));
  rtnl_link_set_mtu(wanted.get(), mtu);
  return rtnl_link_change(socket, which.get(), wanted.get(), 0);
}

/// The driver learns of arrivals by real-time signals to the process. Workers take them; system calls of the
/// control thread, and of the threads that it starts from now on, are not to be interrupted.
void leave_signals_to_workers() {
  sigset_t signals;
  sigemptyset(&signals);
  for (int signal = SIGRTMIN; signal <= SIGRTMAX; ++signal) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

tl::unexpected<Error> tap_failure(const KernelTap& tap, const PortConfig& config, const std::string& reason) {
  return fail("port \"" + config.name + "\": kernel interface \"" + tap.interface + "\": " + reason);
}

}  // namespace

std::string tap_interface_name(const std::string& port_name, unsigned index) {
  const std::string name = "sl-" + port_name;
  const bool usable = name.size() < IFNAMSIZ && std::all_of(name.begin(), name.end(), [](unsigned char c) {
                        return std::isalnum(c) || c == '-' || c == '_' || c == '.';
                      });
  return usable ? name : "sl-port" + std::to_string(index);
}

Result<KernelTap> open_kernel_tap(const PortConfig& config, unsigned index, const MacAddress& mac,
                                  unsigned workers, rte_mempool* pool) {
  KernelTap tap;
  tap.interface = tap_interface_name(config.name, index);
  tap.queues = static_cast<uint16_t>(std::min(workers, kMaxTapQueues));
  if (if_nametoindex(tap.interface.c_str()) != 0)
    return tap_failure(tap, config, "there is one of that name already");

  leave_signals_to_workers();
  const std::string name = "net_tap_sluice" + std::to_string(index);
  const std::string arguments = "iface=" + tap.interface + ",mac=" + mac.to_string();
  take_eal_error();
  if (rte_eal_hotplug_add("vdev", name.c_str(), arguments.c_str()) != 0 ||
      rte_eth_dev_get_port_by_name(name.c_str(), &tap.device) != 0) {
    return tap_failure(tap, config,
                       "cannot be created (it needs /dev/net/tun and CAP_NET_ADMIN): " + take_eal_error());
  }
  const rte_eth_conf wanted{};
  int error = rte_eth_dev_configure(tap.device, tap.queues, tap.queues, &wanted);
  for (uint16_t queue = 0; error == 0 && queue < tap.queues; ++queue) {
    error = rte_eth_rx_queue_setup(tap.device, queue, kTapDescriptors, 0, nullptr, pool);
    if (error == 0) error = rte_eth_tx_queue_setup(tap.device, queue, kTapDescriptors, 0, nullptr);
  }
  if (error == 0) return tap;
  const std::string reason = take_eal_error();
  close_device(tap.device);
  return tap_failure(tap, config, reason.empty() ? rte_strerror(-error) : reason);
}

Result<void> start_kernel_tap(const KernelTap& tap, const PortConfig& config) {
  const int started = rte_eth_dev_start(tap.device);
  if (started != 0) return tap_failure(tap, config, std::string("does not start: ") + rte_strerror(-started));
  const Socket socket(nl_socket_alloc(), nl_socket_free);
  int error = socket == nullptr ? -NLE_NOMEM : nl_connect(socket.get(), NETLINK_ROUTE);
  if (error < 0) return tap_failure(tap, config, std::string("netlink: ") + nl_geterror(error));
  const unsigned interface = if_nametoindex(tap.interface.c_str());
  error = set_interface_mtu(socket.get(), interface, config.mtu);
  if (error < 0) {
    return tap_failure(tap, config, "MTU " + std::to_string(config.mtu) + ": " + nl_geterror(error));
  }
  for (const Prefix& own : config.addresses) {
    error = add_address(socket.get(), interface, own);
    if (error < 0) return tap_failure(tap, config, "address " + own.to_string() + ": " + nl_geterror(error));
  }
  return {};
}

}  // namespace sluice::dataplane
