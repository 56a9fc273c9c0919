"""Many flows over weighted backends: each goes where the independent twin of the Maglev rule says."""

import random

from scapy.layers.inet import TCP, UDP
from scapy.layers.l2 import Ether

from frames import CLIENT_MAC, EDGE_MAC, FAMILIES, V4, to_backend


def build(case):
    choice = random.Random(1)
    for family in FAMILIES:
        for _ in range(100):
            prefix = "198.18.10." if family is V4 else "2001:db8:10::"
            client, sport = f"{prefix}{choice.randrange(2, 255)}", choice.randrange(1, 65536)
            for kind, layer4 in (
                ("tcp", TCP(sport=sport, dport=80)),
                ("udp", UDP(sport=sport, dport=80) / b""),
            ):
                packet = family.ip(src=client, dst=family.vip) / layer4
                backend = case.backend(f"{kind}{family.version}", client, sport).address
                case.send("edge0", Ether(src=CLIENT_MAC, dst=EDGE_MAC) / packet)
                case.expect("core0", to_backend(backend, packet))
            packet = family.ip(src=client, dst=family.vip_of(11)) / UDP(sport=sport, dport=80)
            backend = case.backend(f"by-source{family.version}", client, sport).address
            case.send("edge0", Ether(src=CLIENT_MAC, dst=EDGE_MAC) / packet)
            case.expect("core0", to_backend(backend, packet))
