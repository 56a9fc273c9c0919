"""Splits and routes: each new flow goes to the pool, and in it to the backend, that the twin of the rule says."""

import random

from scapy.layers.inet import TCP, UDP
from scapy.layers.l2 import Ether

from frames import CLIENT_MAC, EDGE_MAC, FAMILIES, V4, to_backend


def build(case):
    choice = random.Random(2)
    for family in FAMILIES:
        for number in range(2, 100):
            client = f"198.18.10.{number}" if family is V4 else f"2001:db8:10::{number:x}"
            sport = choice.randrange(1, 65536)
            if client == family.router:
                continue
            for kind, vip, layer4 in (
                ("share", family.vip, TCP(sport=sport, dport=80, flags="S")),
                ("by-source", family.vip_of(11), UDP(sport=sport, dport=80) / b""),
                ("by-client", family.vip_of(12), UDP(sport=sport, dport=80) / b""),
            ):
                packet = family.ip(src=client, dst=vip) / layer4
                backend = case.backend(f"{kind}{family.version}", client, sport).address
                case.send("edge0", Ether(src=CLIENT_MAC, dst=EDGE_MAC) / packet)
                case.expect("core0", to_backend(backend, packet))
