"""ARP is spoken for ports, SNAT addresses and VIPs, every address of a prefix among them."""

from scapy.layers.l2 import ARP, Ether

from frames import CLIENT_MAC, CORE_MAC, EDGE_MAC, V4, backend_mac

BROADCAST = "ff:ff:ff:ff:ff:ff"


def ask(case, port, mac, asker, asker_mac, target, answered=True, to=BROADCAST):
    question = ARP(op="who-has", hwsrc=asker_mac, psrc=asker, hwdst="00:00:00:00:00:00", pdst=target)
    case.send(port, Ether(src=asker_mac, dst=to) / question)
    if answered:
        answer = ARP(op="is-at", hwsrc=mac, psrc=target, hwdst=asker_mac, pdst=asker)
        case.expect(port, Ether(src=mac, dst=asker_mac) / answer)


def build(case):
    for target in (V4.edge, V4.vip, V4.snat, "192.0.2.1", "192.0.2.254"):
        ask(case, "edge0", EDGE_MAC, V4.client, CLIENT_MAC, target)
    ask(case, "edge0", EDGE_MAC, V4.client, CLIENT_MAC, V4.edge, to=EDGE_MAC)
    for target in ("198.18.10.77", "203.0.113.99"):
        ask(case, "edge0", EDGE_MAC, V4.client, CLIENT_MAC, target, answered=False)
    backend = V4.backend(1)
    for target in (V4.core, V4.snat):
        ask(case, "core0", CORE_MAC, backend, backend_mac(backend), target)
