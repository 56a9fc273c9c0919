"""A static neighbor that is on no port's network: on the link of its route, without that route's gateway."""

from scapy.layers.inet import TCP

from frames import FAMILIES, V4, from_client, to_backend


def build(case):
    for family in FAMILIES:
        packet = family.ip(src=family.client, dst=family.vip) / TCP(sport=40000, dport=80)
        case.send("edge0", from_client(packet))
        case.expect("core0", to_backend("198.51.100.11" if family is V4 else "2001:db8:e::11", packet))
