"""Backends and clients behind routers: the longest prefix names the next hop."""

from scapy.layers.inet import UDP
from scapy.layers.l2 import Ether

from frames import (
    CORE_MAC, EDGE_MAC, FAMILIES, ROUTER_MAC, V4, backend_mac, from_backend, rewritten,
)  # fmt: skip


def build(case):
    exchanges = []
    for family in FAMILIES:
        client = "192.0.2.200" if family is V4 else "2001:db8:c::200"
        for number in (10, 20):
            far = case.backend(f"udp{number}-{family.version}", client, 40000).address
            hop = family.backend(1 if number == 10 else 2)
            exchanges.append((family, client, family.vip_of(number), far, hop))
    for family, client, vip, far, hop in exchanges:
        packet = family.ip(src=client, dst=vip) / UDP(sport=40000, dport=80) / b"x"
        case.send("edge0", Ether(src=ROUTER_MAC, dst=EDGE_MAC) / packet)
        there = Ether(src=CORE_MAC, dst=backend_mac(hop)) / rewritten(packet, dst=far)
        case.expect("core0", there)
    case.later("core0")
    for family, client, vip, far, hop in exchanges:
        reply = family.ip(src=far, dst=client) / UDP(sport=80, dport=40000) / b"y"
        case.send("core0", from_backend(hop, reply))
        case.expect("edge0", Ether(src=EDGE_MAC, dst=ROUTER_MAC) / rewritten(reply, src=vip))
