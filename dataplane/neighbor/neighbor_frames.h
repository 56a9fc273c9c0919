// The ARP and NDP frames that Sluice sends. Each function returns a complete frame, with the port's VLAN
// tags, that is the caller's; or null where the pool is empty. On the worker that owns `pool`'s cache.
#pragma once

#include <rte_mbuf.h>

#include "dataplane/packet/arp.h"
#include "dataplane/packet/ndp.h"
#include "dataplane/tables/tables.h"

namespace sluice::dataplane {

/// Asks who has `target`: everybody, or, where `known` is not null, only whoever had it (RFC 1122 2.3.2.1
/// unicast poll; RFC 4861 7.3.1 probe).
rte_mbuf* make_question(rte_mempool* pool, const PortView& port, const IpAddress& target,
                        const MacAddress* known);
/// Answers a request for an address of ours.
rte_mbuf* make_arp_reply(rte_mempool* pool, const PortView& port, const ArpMessage& request);
/// Answers a solicitation for an address of ours; `asker` is whom the frame goes to.
rte_mbuf* make_advertisement(rte_mempool* pool, const PortView& port, const NdpMessage& solicitation,
                             const MacAddress& asker);
/// Tells everybody on the link that `address` is here: an ARP announcement (RFC 5227 2.3) or an unsolicited
/// advertisement (RFC 4861 7.2.6).
rte_mbuf* make_announcement(rte_mempool* pool, const PortView& port, const IpAddress& address);

}  // namespace sluice::dataplane
