#include "ctrl/health/local_network.h"

#include <ifaddrs.h>
#include <net/if.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "common/descriptor.h"

namespace sluice::ctrl {
namespace {

bool same_host(const sockaddr* one, const sockaddr_storage& other) {
  if (one == nullptr || one->sa_family != other.ss_family) return false;
  if (one->sa_family == AF_INET) {
    return std::memcmp(&reinterpret_cast<const sockaddr_in*>(one)->sin_addr,
                       &reinterpret_cast<const sockaddr_in&>(other).sin_addr, sizeof(in_addr)) == 0;
  }
  return one->sa_family == AF_INET6 &&
         std::memcmp(&reinterpret_cast<const sockaddr_in6*>(one)->sin6_addr,
                     &reinterpret_cast<const sockaddr_in6&>(other).sin6_addr, sizeof(in6_addr)) == 0;
}

/// The interface that has this address and no carrier.
std::optional<std::string> dead_link_of(const sockaddr_storage& own) {
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) return std::nullopt;
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> list(first, ::freeifaddrs);
  for (const ifaddrs* entry = first; entry != nullptr; entry = entry->ifa_next) {
    if (!same_host(entry->ifa_addr, own)) continue;
    if (entry->ifa_flags & IFF_RUNNING) return std::nullopt;
    return std::string(entry->ifa_name);
  }
  return std::nullopt;
}

}  // namespace

SocketAddress::SocketAddress(const IpAddress& address, uint16_t port) {
  if (address.is_v4()) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(storage_);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    v4.sin_addr.s_addr = address.as_v4().network();
    size_ = sizeof v4;
  } else {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(storage_);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    std::memcpy(&v6.sin6_addr, address.bytes().data(), address.bytes().size());
    size_ = sizeof v6;
  }
}

std::optional<std::string> local_problem(const IpAddress& address, uint16_t port) {
  const Descriptor probe(::socket(address.is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!probe.is_open()) return std::nullopt;
  // For a datagram socket connect() only looks up the route and picks a source address.
  const SocketAddress peer(address, port);
  if (::connect(probe.number(), peer.get(), peer.size()) != 0) return text_of_error(errno);
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  if (::getsockname(probe.number(), reinterpret_cast<sockaddr*>(&own), &size) != 0) return std::nullopt;
  if (const auto link = dead_link_of(own)) return "the link of " + *link + " is down";
  return std::nullopt;
}

}  // namespace sluice::ctrl
