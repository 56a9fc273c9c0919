// By which file descriptors a receive queue tells epoll that a frame came, of devices that the kernel feeds.
// The drivers keep them to themselves, so they are looked for among the process's own. Control thread.
#pragma once

#include <cstdint>
#include <vector>

namespace sluice::dataplane {

/// The queue's descriptors, which stay the driver's: for EPOLLIN with EPOLLET only, for one may be another
/// queue's as well. None where the driver has no such thing: then the queue wants to be polled. The device
/// has been started.
std::vector<int> receive_descriptors(uint16_t device, uint16_t queue);

/// The process's packet sockets that are bound to that interface of the kernel, in the order of their
/// numbers.
std::vector<int> packet_sockets(unsigned interface);

}  // namespace sluice::dataplane
