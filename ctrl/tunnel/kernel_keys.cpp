#include "ctrl/tunnel/kernel_keys.h"

#include <linux/netlink.h>
#include <linux/xfrm.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <system_error>
#include <vector>

#include "crypto/secret.h"
#include "ctrl/log/log_line.h"
#include "ctrl/tunnel/xfrm_message.h"

namespace sluice::ctrl {
namespace {

constexpr size_t kMostDatagram = 65'536;
constexpr int kRetryMs = 1000;
constexpr timeval kPatience{2, 0};

/// A netlink socket; -1, and errno, where there is none.
int open_netlink(uint32_t groups) {
  const int socket = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_XFRM);
  if (socket < 0) return -1;
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = groups;
  if (::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return socket;
  ::close(socket);
  return -1;
}

/// All associations, by a socket of its own: what happens meanwhile is not mixed with them.
KernelAssociations dump() {
  KernelAssociations all{.is_complete = false, .all = {}};
  const int socket = open_netlink(0);
  if (socket < 0) return all;
  ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
  const std::vector<uint8_t> request = xfrm_dump_request(1);
  bool goes_on = ::send(socket, request.data(), request.size(), 0) == static_cast<ssize_t>(request.size());
  std::vector<uint8_t> datagram(kMostDatagram);
  while (goes_on) {
    const ssize_t size = ::recv(socket, datagram.data(), datagram.size(), 0);
    if (size <= 0) break;
    const XfrmDump read = read_xfrm_states({datagram.data(), static_cast<size_t>(size)}, all.all);
    crypto::erase({datagram.data(), static_cast<size_t>(size)});
    all.is_complete = read == XfrmDump::kDone;
    goes_on = read == XfrmDump::kMore;
  }
  ::close(socket);
  if (!all.is_complete) all.all.clear();
  return all;
}

/// Reads away what has been said.
void drain(int socket) {
  std::vector<uint8_t> datagram(kMostDatagram);
  ssize_t size = 0;
  while ((size = ::recv(socket, datagram.data(), datagram.size(), MSG_DONTWAIT)) > 0) {
    crypto::erase({datagram.data(), static_cast<size_t>(size)});
  }
}

}  // namespace

KernelKeys::KernelKeys(std::function<void(KernelAssociations)> take)
    : take_(std::move(take)), waker_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), thread_([this] { run(); }) {}

KernelKeys::~KernelKeys() {
  is_stopping_ = true;
  wake();
  thread_.join();
  ::close(waker_);
}

void KernelKeys::wake() {
  const uint64_t one = 1;
  static_cast<void>(!::write(waker_, &one, sizeof one));
}

void KernelKeys::ask_again() {
  wake();
}

void KernelKeys::run() {
  constexpr uint32_t kGroups = 1u << (XFRMNLGRP_SA - 1) | 1u << (XFRMNLGRP_EXPIRE - 1);
  bool has_complained = false;
  while (!is_stopping_) {
    // What changes between is heard, for the ear is there before anything is asked.
    const int events = open_netlink(kGroups);
    if (events < 0 && !has_complained) {
      log_warning({"the kernel's keys cannot be followed: ", std::generic_category().message(errno)});
      has_complained = true;
    }
    follow(events);
    if (events >= 0) ::close(events);
  }
}

/// Until the socket fails.
void KernelKeys::follow(int events) {
  for (bool is_whole = true; is_whole && !is_stopping_;) {
    KernelAssociations all = dump();
    is_whole = all.is_complete && events >= 0;
    take_(std::move(all));
    if (!await(is_whole ? events : -1)) return;
    if (is_whole) drain(events);
  }
}

/// Until something has changed, or somebody asks; without a socket for a moment. False: it has failed.
bool KernelKeys::await(int events) {
  pollfd wanted[2] = {{waker_, POLLIN, 0}, {events, POLLIN, 0}};
  const int ready = ::poll(wanted, events >= 0 ? 2 : 1, events >= 0 ? -1 : kRetryMs);
  if (ready < 0 && errno != EINTR) return false;
  uint64_t count = 0;
  static_cast<void>(!::read(waker_, &count, sizeof count));
  return true;
}

}  // namespace sluice::ctrl
