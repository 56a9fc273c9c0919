"""Gateways have link-local addresses, the same one on every link: each is on the port that its route names, and
asked for there from the port's own link-local address where it is not known."""

from scapy.layers.inet import UDP
from scapy.layers.inet6 import ICMPv6ND_NS
from scapy.layers.l2 import Ether

from frames import CORE_MAC, EDGE_MAC, ROUTER_MAC, V6, rewritten

CORE_ROUTER_MAC = "02:00:00:00:02:fe"
CLIENT, BACKEND = "2001:db8:99::7", "2001:db8:77::11"


def build(case):
    case.idle_seconds = 10  # that long the gateway may take to give a neighbor up
    request = V6.ip(src=CLIENT, dst=V6.vip) / UDP(sport=40000, dport=80) / b"x"
    for _ in range(3):
        case.send("edge0", Ether(src=ROUTER_MAC, dst=EDGE_MAC) / request)
        case.expect("core0", Ether(src=CORE_MAC, dst=CORE_ROUTER_MAC) / rewritten(request, dst=BACKEND))
    asked = V6.ip(src=CLIENT, dst=V6.vip_of(20)) / UDP(sport=40000, dport=80) / b"x"
    case.send("edge0", Ether(src=ROUTER_MAC, dst=EDGE_MAC) / asked)
    case.expect_where("core0", "a question for fe80::2", asks_for_it)
    case.tolerate("core0", asks_for_it)
    case.expect_drops(neighbor_unresolved=1)
    case.later("core0")
    reply = V6.ip(src=BACKEND, dst=CLIENT) / UDP(sport=80, dport=40000) / b"y"
    case.send("core0", Ether(src=CORE_ROUTER_MAC, dst=CORE_MAC) / reply)
    case.expect("edge0", Ether(src=EDGE_MAC, dst=ROUTER_MAC) / rewritten(reply, src=V6.vip))


def asks_for_it(frame):
    return (
        ICMPv6ND_NS in frame
        and frame[ICMPv6ND_NS].tgt == "fe80::2"
        and frame[ICMPv6ND_NS].underlayer.src == "fe80::ff:fe00:2"
    )
