// What this host's own network can do: socket addresses, the way to a peer, errors in words. Any thread.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>

#include "common/address.h"
#include "ctrl/net/faults.h"

namespace sluice::ctrl {

/// An address and port as system calls take them.
class SocketAddress {
 public:
  SocketAddress(const IpAddress& address, uint16_t port);
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t size() const { return size_; }

 private:
  sockaddr_storage storage_{};
  socklen_t size_ = 0;
};

/// Why this host could not have reached the peer just now, whatever the peer does: it has no route, or the
/// link that the route leads to has no carrier. Nothing where neither is so, or where it cannot be told.
/// Sends nothing.
std::optional<std::string> local_problem(const IpAddress& address, uint16_t port);

}  // namespace sluice::ctrl
