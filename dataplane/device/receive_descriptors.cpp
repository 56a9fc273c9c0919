#include "dataplane/device/receive_descriptors.h"

#include <dirent.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <rte_ethdev.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string_view>

namespace sluice::dataplane {
namespace {

/// The process's open descriptors for which `is_wanted(descriptor)`, in ascending order.
template <typename IsWanted>
std::vector<int> open_descriptors(IsWanted&& is_wanted) {
  std::vector<int> found;
  const auto close = [](DIR* open) { closedir(open); };
  const std::unique_ptr<DIR, decltype(close)> directory(opendir("/proc/self/fd"));
  if (directory == nullptr) return found;
  while (const dirent* const entry = readdir(directory.get())) {
    if (entry->d_name[0] == '.') continue;
    const int descriptor = std::atoi(entry->d_name);
    if (is_wanted(descriptor)) found.push_back(descriptor);
  }
  std::sort(found.begin(), found.end());
  return found;
}

bool is_tap_of(int descriptor, unsigned interface) {
  struct stat about {};
  if (fstat(descriptor, &about) != 0 || !S_ISCHR(about.st_mode)) return false;
  ifreq request{};
  return ioctl(descriptor, TUNGETIFF, &request) == 0 && if_nametoindex(request.ifr_name) == interface;
}

bool is_of_xdp(int descriptor) {
  int family = 0;
  socklen_t length = sizeof family;
  return getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &family, &length) == 0 && family == AF_XDP;
}

}  // namespace

std::vector<int> packet_sockets(unsigned interface) {
  return open_descriptors([interface](int descriptor) {
    sockaddr_ll own{};
    socklen_t length = sizeof own;
    return getsockname(descriptor, reinterpret_cast<sockaddr*>(&own), &length) == 0 &&
           own.sll_family == AF_PACKET && own.sll_ifindex == static_cast<int>(interface);
  });
}

std::vector<int> receive_descriptors(uint16_t device, uint16_t queue) {
  rte_eth_dev_info info{};
  if (rte_eth_dev_info_get(device, &info) != 0 || info.if_index == 0) return {};
  const std::string_view driver = info.driver_name;
  if (driver == "net_af_packet") {
    // One for each queue, opened one after the other.
    const std::vector<int> sockets = packet_sockets(info.if_index);
    if (sockets.size() == info.max_rx_queues) return {sockets[queue]};
  }
  if (driver == "net_af_xdp") {
    // Those of all devices and queues: such a socket has no name that getsockname() would tell.
    return open_descriptors([](int descriptor) { return is_of_xdp(descriptor); });
  }
  if (driver == "net_tap") {
    // All queues': which is whose cannot be told.
    return open_descriptors([&](int descriptor) { return is_tap_of(descriptor, info.if_index); });
  }
  return {};
}

}  // namespace sluice::dataplane
