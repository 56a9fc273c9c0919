#include "dataplane/device/port.h"

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "dataplane/device/eal.h"
#include "dataplane/device/eal_log.h"
#include "dataplane/device/port_watch.h"
#include "dataplane/device/surroundings.h"

namespace sluice::dataplane {
namespace {

constexpr uint16_t kDescriptors = 1024;

/// Both directions of a flow hash alike with a key of repeated 16 bits (Woo and Park, 2012).
constexpr auto kSymmetricRssKey = [] {
  std::array<uint8_t, 64> key{};
  for (size_t i = 0; i < key.size(); ++i) key[i] = i % 2 == 0 ? 0x6d : 0x5a;
  return key;
}();

/// "port edge0, device net_tap0: WHAT: the driver's words, or the error's".
tl::unexpected<Error> device_failure(const PortConfig& config, const std::string& what, int error) {
  std::string reason = take_eal_error();
  if (reason.empty()) reason = rte_strerror(std::abs(error));
  const bool forbidden =
      reason.find("not permitted") != std::string::npos || reason.find("denied") != std::string::npos;
  if (reason.find("failed to parse device") != std::string::npos) {
    reason +=
        " (a device is a PCI address, or a driver of DPDK and a number: \"net_af_packet0,iface=eth1\" is the "
        "kernel's eth1)";
  }
  if (forbidden) reason += " (virtual devices of the kernel need CAP_NET_ADMIN and CAP_NET_RAW)";
  return fail("port \"" + config.name + "\", device \"" + config.device + "\": " + what + ": " + reason);
}

std::string name_part(const std::string& device) {
  const std::string name = device.substr(0, device.find(','));
  const bool short_pci = is_pci_device(name) && std::count(name.begin(), name.end(), ':') == 1;
  return short_pci ? "0000:" + name : name;
}

Result<uint16_t> find_device(const PortConfig& config, unsigned rx_workers) {
  const std::string name = name_part(config.device);
  uint16_t device = 0;
  take_eal_error();
  if (is_pci_device(config.device)) {
    if (rte_eth_dev_get_port_by_name(name.c_str(), &device) == 0) return device;
    return device_failure(
        config, "not found, or not bound to a driver of DPDK (dpdk-devbind.py --status shows both)", ENODEV);
  }
  if (rte_eth_dev_get_port_by_name(name.c_str(), &device) == 0) {
    return fail("port \"" + config.name + "\": device \"" + name +
                "\" is there already; two ports need two names");
  }
  const std::string arguments = device_arguments(config.device, rx_workers);
  const size_t comma = arguments.find(',');
  const std::string rest = comma == std::string::npos ? "" : arguments.substr(comma + 1);
  const int error = rte_eal_hotplug_add("vdev", name.c_str(), rest.c_str());
  if (error != 0) return device_failure(config, "cannot be created", error);
  if (rte_eth_dev_get_port_by_name(name.c_str(), &device) == 0) return device;
  return device_failure(config, "no driver made a network device of it", ENODEV);
}

/// Whether the driver says that frames of the port's MTU fit. Virtual ones state a constant that is not
/// theirs (memif, af_packet, tap), and carry larger frames where their arguments or the kernel allow it.
bool admits_mtu(const PortConfig& config, const rte_eth_dev_info& info) {
  return config.mtu + 0u + RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN <= info.max_rx_pktlen;
}

/// What the device can hash for RSS of the fields that tell flows apart; 0: it has no RSS.
uint64_t rss_fields(const rte_eth_dev_info& info) {
  return (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP) & info.flow_type_rss_offloads;
}

rte_eth_conf device_configuration(const PortPlan& plan, const PortConfig& config,
                                  const rte_eth_dev_info& info) {
  rte_eth_conf wanted{};
  if (config.mtu > RTE_ETHER_MTU && admits_mtu(config, info)) wanted.rxmode.mtu = config.mtu;
  // The kernel hands such devices packets with half-made checksums and calls them good: verify those here.
  const bool from_kernel = plan.driver == "net_tap" || plan.driver.find("virtio") != std::string::npos ||
                           plan.driver == "net_vhost";
  if (!from_kernel) wanted.rxmode.offloads = info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_CHECKSUM;
  if (plan.rx_queues > 1 && !plan.splits_flows) {
    wanted.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    wanted.rx_adv_conf.rss_conf.rss_hf = rss_fields(info);
    if (info.hash_key_size > 0 && info.hash_key_size <= kSymmetricRssKey.size()) {
      wanted.rx_adv_conf.rss_conf.rss_key = const_cast<uint8_t*>(kSymmetricRssKey.data());  // only read
      wanted.rx_adv_conf.rss_conf.rss_key_len = info.hash_key_size;
    }
  }
  return wanted;
}

Result<void> set_up_queues(const PortPlan& plan, const PortConfig& config, rte_mempool* pool) {
  const auto node = static_cast<unsigned>(plan.numa_node);
  for (uint16_t queue = 0; queue < plan.rx_queues; ++queue) {
    const int error = rte_eth_rx_queue_setup(plan.device, queue, plan.rx_descriptors, node, nullptr, pool);
    if (error != 0) return device_failure(config, "RX queue " + std::to_string(queue), error);
  }
  for (uint16_t queue = 0; queue < plan.tx_queues; ++queue) {
    const int error = rte_eth_tx_queue_setup(plan.device, queue, plan.tx_descriptors, node, nullptr);
    if (error != 0) return device_failure(config, "TX queue " + std::to_string(queue), error);
  }
  return {};
}

/// The kernel's interface that the device sends by; without a name where there is none.
KernelInterface interface_below(const rte_eth_dev_info& info) {
  if (info.if_index == 0) return {};
  const int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (any < 0) return {};
  KernelInterface below = kernel_interface(any, info.if_index);
  close(any);
  return below;
}

Result<void> set_mtu(const PortPlan& plan, const PortConfig& config, const rte_eth_dev_info& info) {
  uint16_t current = 0;
  const bool is_set = rte_eth_dev_get_mtu(plan.device, &current) == 0 && current == config.mtu;
  const KernelInterface below = interface_below(info);
  // A driver's own idea of its MTU is not the interface's.
  const bool is_small = !below.name.empty() && below.mtu < config.mtu;
  if (is_set && !is_small) return {};
  const int error = rte_eth_dev_set_mtu(plan.device, config.mtu);
  if (error == 0 && is_small) {
    log_line(LogLevel::kWarning, "port \"" + config.name + "\": interface " + below.name + " had an MTU of " +
                                     std::to_string(below.mtu) + ", now " + std::to_string(config.mtu) +
                                     " as the port");
  }
  if (error == 0 || is_set) return {};  // PortWatch says where the interface is still too small
  const bool unwilling = !is_pci_device(config.device) && !admits_mtu(config, info);
  if (error != -ENOTSUP && !unwilling)
    return device_failure(config, "MTU " + std::to_string(config.mtu), error);
  log_line(unwilling ? LogLevel::kWarning : LogLevel::kInfo,
           "port \"" + config.name + "\": driver " + plan.driver + " sets no MTU of " +
               std::to_string(config.mtu) + "; what the device is set up for is what it carries");
  return {};
}

/// The port's MAC address; `promiscuous` where the device itself has another.
MacAddress choose_mac(const PortPlan& plan, const PortConfig& config, unsigned index, bool& promiscuous) {
  MacAddress own;
  rte_ether_addr address{};
  if (rte_eth_macaddr_get(plan.device, &address) == 0) std::memcpy(own.bytes.data(), address.addr_bytes, 6);
  const MacAddress generated{{0x02, 0x53, 0x4c, 0x00, 0x00, static_cast<uint8_t>(index)}};
  const MacAddress wanted = config.mac.value_or(own.is_zero() ? generated : own);
  if (wanted != own) {
    std::memcpy(address.addr_bytes, wanted.bytes.data(), 6);
    promiscuous = rte_eth_dev_default_mac_addr_set(plan.device, &address) != 0;
  }
  return wanted;
}

/// Virtual devices that take every frame anyway need not be able to be told so.
void receive_groups(const PortPlan& plan, const PortConfig& config, bool promiscuous) {
  if (!promiscuous && rte_eth_allmulticast_enable(plan.device) == 0) return;
  if (rte_eth_promiscuous_enable(plan.device) == 0) return;
  log_line(LogLevel::kInfo,
           "port \"" + config.name + "\": driver " + plan.driver + " takes no multicast or promiscuous mode");
}

}  // namespace

std::string device_arguments(const std::string& device, unsigned rx_workers) {
  if (!device.starts_with("net_af_packet") || rx_workers == 1) return device;
  if (device.find(",qpairs=") != std::string::npos) return device;
  return device + ",qpairs=" + std::to_string(rx_workers);
}

Result<PortPlan> attach_device(const PortConfig& config, unsigned rx_workers, unsigned workers,
                               Surroundings* surroundings) {
  const auto device = surroundings != nullptr ? surroundings->attach(config, rx_workers, workers)
                                              : find_device(config, rx_workers);
  if (!device) return tl::unexpected(device.error());
  rte_eth_dev_info info{};
  const int error = rte_eth_dev_info_get(*device, &info);
  if (error != 0) return device_failure(config, "says nothing about itself", error);
  if (info.max_rx_queues == 0 || info.max_tx_queues == 0) {
    return device_failure(config, "cannot both receive and send", ENODEV);
  }
  if (info.max_mtu != 0 && config.mtu > info.max_mtu) {
    return fail("port \"" + config.name + "\": MTU " + std::to_string(config.mtu) + " is above the " +
                std::to_string(info.max_mtu) + " that driver " + info.driver_name + " allows");
  }
  PortPlan plan;
  plan.device = *device;
  plan.driver = info.driver_name;
  plan.numa_node = rte_eth_dev_socket_id(*device);
  plan.rx_queues = static_cast<uint16_t>(std::min<unsigned>(rx_workers, info.max_rx_queues));
  plan.tx_queues = static_cast<uint16_t>(std::min<unsigned>(workers, info.max_tx_queues));
  // Frames come in on every queue pair of these, set up or not: some workers have several.
  if (plan.driver == "net_af_packet") plan.rx_queues = info.max_rx_queues;
  plan.splits_flows = plan.rx_queues > 1 && rss_fields(info) == 0;
  plan.rx_descriptors = plan.tx_descriptors = kDescriptors;
  rte_eth_dev_adjust_nb_rx_tx_desc(*device, &plan.rx_descriptors, &plan.tx_descriptors);
  if (plan.rx_queues < rx_workers) {
    log_line(LogLevel::kInfo, "port \"" + config.name + "\": driver " + plan.driver + " has " +
                                  std::to_string(plan.rx_queues) + " RX queues for " +
                                  std::to_string(rx_workers) + " workers");
  }
  return plan;
}

Result<MacAddress> set_up_device(const PortPlan& plan, const PortConfig& config, unsigned index,
                                 rte_mempool* pool) {
  take_eal_error();
  rte_eth_dev_info info{};
  rte_eth_dev_info_get(plan.device, &info);
  const rte_eth_conf wanted = device_configuration(plan, config, info);
  const int error = rte_eth_dev_configure(plan.device, plan.rx_queues, plan.tx_queues, &wanted);
  if (error != 0) return device_failure(config, "cannot be configured", error);
  if (auto queues = set_up_queues(plan, config, pool); !queues) return tl::unexpected(queues.error());
  if (auto mtu = set_mtu(plan, config, info); !mtu) return tl::unexpected(mtu.error());
  bool promiscuous = false;
  const MacAddress mac = choose_mac(plan, config, index, promiscuous);
  receive_groups(plan, config, promiscuous);
  return mac;
}

Result<void> start_device(const PortPlan& plan, const PortConfig& config) {
  take_eal_error();
  const int error = rte_eth_dev_start(plan.device);
  if (error != 0) return device_failure(config, "does not start", error);
  return {};
}

void close_device(uint16_t device) {
  rte_eth_dev_stop(device);
  rte_eth_dev_close(device);
}

}  // namespace sluice::dataplane
