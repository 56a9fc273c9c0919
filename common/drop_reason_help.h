// What each drop reason means, for people: sluicectl and docs/reference/drop-reasons.md say it with these
// words.
#pragma once

#include <array>
#include <string_view>

namespace sluice {

struct DropReasonHelp {
  std::string_view reason;
  std::string_view meaning;   ///< what was wrong with the packet
  std::string_view remedy;    ///< what an operator may do
  std::string_view see = {};  ///< a page that says why, below docs/
};

/// All of dataplane::DropReason, in its order.
inline constexpr auto kDropReasonHelp = std::to_array<DropReasonHelp>({
    {"malformed_l2", "the frame ends before its Ethernet or VLAN header does",
     "look at the sender or the link"},
    {"wrong_vlan",
     "the VLAN tags are not those of the port; or there are none where some are asked for. Tags with id 0 "
     "state a priority and count as none, up to two of them",
     "`ports[].vlan` against the switch's port"},
    {"malformed_l3",
     "the IP header is cut off, or its lengths contradict each other or the frame; the source is no host's "
     "address (0/8, 127/8, 224/3, `::`, `::1`, ff00::/8, `::ffff:0:0/96`), or one of the gateway itself (a "
     "VIP, one of a prefix, SNAT, a port's), or an ICMP error quotes a packet to one; `direct` would send it "
     "back to the station that it came from; more than 8 IPv6 extension headers or 256 bytes of them, or a "
     "routing header that is not exhausted",
     "look at the sender; offloads (GRO, TSO) of a virtual link may cut packets; spoofed sources belong "
     "filtered upstream; a loop: is a backend a gateway that balances back?",
     "decisions/0019-loops.md"},
    {"malformed_l4", "the TCP, UDP or ICMP header is cut off within a valid IP length, or contradicts it",
     "look at the sender"},
    {"ip_options", "IPv4 options", "nothing: not forwarded on purpose"},
    {"fragment", "an IP fragment: its ports are unknown",
     "lower the client's MTU; fragments cannot be balanced"},
    {"ttl_expired",
     "the TTL or hop limit would be 0 on the next hop (NAT modes), or is 0 already (all modes)",
     "look for a routing loop"},
    {"too_big",
     "larger than the way to the backend allows, after encapsulation too; the client is told unless it may "
     "fragment; or a router said so of a tunnel, and nobody could be told",
     "raise the MTU towards the backends, or lower the MSS"},
    {"no_service",
     "neither a service nor for one of the gateway's addresses; or a frame for another station, or for many "
     "(broadcast, multicast) that is no ARP, NDP or MLD query; or, behind NAT, a RST or a SYN with RST, FIN "
     "or ACK that belongs to no flow",
     "configure the service, or look who sends here"},
    {"no_backend", "the pool has nobody who takes new flows",
     "`sluicectl backend list`: the reasons say why; `fail_open`"},
    {"no_route", "no route leads to the backend, client or next hop",
     "`routes`, or an address of a port in that network"},
    {"neighbor_unresolved",
     "nobody answers ARP or NDP for the next hop; or more than 128 packets wait for one neighbor, or 2048 "
     "for all of a worker",
     "`sluicectl neighbor list`; a static neighbor"},
    {"bad_checksum", "the IPv4, TCP, UDP or ICMP checksum is wrong",
     "look at the sender; a virtual link with checksum offload leaves them blank"},
    {"port_exhausted",
     "full NAT: every source port tried towards that backend belongs to a flow that was answered; dnat: the "
     "client's port has a live flow to the same endpoint by another VIP; or no entry is free and nobody may "
     "give way",
     "more `snat` addresses, shorter `idle_timeout`, more `flow_table_entries`; for dnat a backend port for "
     "each VIP",
     "explanation/flows.md#what-dnat-cannot-do"},
    {"no_headroom", "no room before the packet for an outer header",
     "a driver that leaves little: report it"},
    {"ring_full", "another worker did not take it in time (a ledger transaction over CoAP is answered 5.03)",
     "more workers, or spread the load"},
    {"tx_full",
     "the device did not take it, its link is down, or a bound on frames of our own was met, as on those "
     "that wait "
     "while another worker sends by their tunnel",
     "the link is full, or the device too slow; `sluice_port_link_up`, and the log"},
    {"rate_limited",
     "over a limit: of the service or of its source (`limits`), of every backend of the pool "
     "(`flows_per_backend`), or over what one worker hands to the kernel or answers itself: "
     "`gateway.limits.kernel` and `.echo` (by default 10,000 packets a second each, 1,000 at once)",
     "`sluicectl explain` names the limit; expected under a flood; raise it where it is no flood",
     "how-to/protect-a-backend.md"},
    {"denied",
     "the service's `access` does not let the source send ([list](../how-to/block-a-list.md)); or an answer "
     "to a NAT flow that did not come in by the port that its backend is reached by; or, at an ESP tunnel, "
     "what is forged, repeated or in clear",
     "`sluicectl explain` names the prefix and the set; else somebody on another side makes up answers, or "
     "the backend's way back leads by another port than the way there; `sluicectl tunnel list` has the "
     "reasons of tunnels",
     "decisions/0019-loops.md"},
    {"inspected",
     "a rule of the service's inspection matched in this flow; or the segment contradicts what its stream "
     "had "
     "before, or came too early and could not wait; or the rules are not compiled yet",
     "`sluicectl explain` names the rule, `sluicectl drops --recent inspected` the cause",
     "how-to/inspect-traffic.md"},
});

}  // namespace sluice
