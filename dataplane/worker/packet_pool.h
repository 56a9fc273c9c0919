// Packet buffers: one pool for each NUMA node that has a port. Every frame lies in one segment, with
// PacketMeta in the buffer's private area. Control thread.
#pragma once

#include <rte_mempool.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "common/result.h"
#include "dataplane/device/port.h"

namespace sluice::dataplane {

struct PoolSize {
  unsigned packets = 0;
  uint16_t data_room = 0;  ///< bytes, headroom included
};

/// Enough for every descriptor of `ports` to hold a packet while every ring (`in_rings` packets together),
/// transmit buffer and neighbor queue of `workers` does, so that no queue can starve another. Pure.
PoolSize pool_size(std::span<const PortPlan> ports, unsigned workers, unsigned in_rings,
                   uint16_t largest_mtu);

/// A pool of so many buffers, each with PacketMeta, named `name`, with `cache` of them kept to itself by each
/// worker. Null: rte_errno says why.
rte_mempool* create_buffers(const char* name, const PoolSize& size, unsigned cache, int numa_node);
/// The pool of that node; `numa_node` -1: anywhere. `device`: a port that uses it, by which its name differs
/// from that of any other data plane in the process.
Result<rte_mempool*> make_packet_pool(const PoolSize& size, int numa_node, uint16_t device);

}  // namespace sluice::dataplane
