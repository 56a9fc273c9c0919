"""direct does not touch the TTL, so what a backend sends back, a gateway itself, must not go there again:
neither as a new flow nor as one that is known. The same from another station, or by another port, goes on."""

from scapy.layers.inet import TCP, UDP
from scapy.layers.l2 import Ether

from frames import CORE_MAC, EDGE_MAC, FAMILIES, ROUTER_MAC

BACKEND_MAC, OTHER_MAC = "02:00:00:00:02:11", "02:00:00:00:02:12"


def build(case):
    for family in FAMILIES:
        for layer4 in (TCP(dport=80, flags="S"), TCP(dport=80, flags="A"), UDP(dport=80) / b"x"):
            flow(case, family, layer4.copy(), 40000, known_before=True)
            flow(case, family, layer4.copy(), 40001, known_before=False)


def flow(case, family, layer4, sport, known_before):
    layer4.sport = sport
    packet = family.ip(src=family.client, dst=family.vip) / layer4
    forwarded = Ether(src=EDGE_MAC, dst=BACKEND_MAC) / packet
    for _ in range(3 if known_before else 0):
        case.send("edge0", Ether(src=ROUTER_MAC, dst=EDGE_MAC) / packet)
        case.expect("edge0", forwarded)
    for _ in range(3):
        case.send("edge0", Ether(src=BACKEND_MAC, dst=EDGE_MAC) / packet)
        case.expect_drops(malformed_l3=1)
    case.send("edge0", Ether(src=OTHER_MAC, dst=EDGE_MAC) / packet)
    case.expect("edge0", forwarded)
    case.send("core0", Ether(src=BACKEND_MAC, dst=CORE_MAC) / packet)
    case.expect("edge0", forwarded)
