// TCP segments that reset a connection, made by the gateway itself. Any lcore.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>

#include "common/flow_key.h"

namespace sluice::dataplane {

struct TcpReset {
  FlowKey key;            ///< from whom to whom
  uint32_t sequence = 0;  ///< what the receiver expects next, or it does not believe it (RFC 5961, 3.2)
  uint32_t acknowledgment = 0;
  bool acknowledges = false;
  uint8_t in_port = 0;  ///< by which it is taken to have come
};

/// A bare IP packet with its metadata, as if it had been received without a frame. Null: `pool` is empty.
rte_mbuf* make_tcp_reset(rte_mempool* pool, const TcpReset& reset);

}  // namespace sluice::dataplane
