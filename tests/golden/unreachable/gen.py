"""Packets that have nowhere to go: no service, no backend, no route, no neighbor, no such protocol."""

from scapy.layers.inet import TCP, UDP
from scapy.layers.inet6 import ICMPv6ND_NS, IPv6
from scapy.layers.l2 import ARP

from frames import FAMILIES, V4, V6, from_client


def build(case):
    for family in FAMILIES:

        def drop(reason, number, layer4):
            packet = family.ip(src=family.client, dst=family.vip_of(number)) / layer4
            case.send("edge0", from_client(packet))
            case.expect_drops(**{reason: 1})

        drop("no_service", 10, UDP(sport=4, dport=81))
        drop("no_service", 10, TCP(sport=4, dport=80))
        drop("no_service", 99, UDP(sport=4, dport=80))
        sctp = family.ip(src=family.client, dst=family.vip)
        setattr(sctp, "proto" if family is V4 else "nh", 132)
        case.send("edge0", from_client(sctp / bytes(12)))
        case.expect_drops(no_service=1)
        drop("no_backend", 10, UDP(sport=4, dport=80))
        drop("no_route", 20, UDP(sport=4, dport=80))
        drop("neighbor_unresolved", 30, UDP(sport=4, dport=80))
    case.idle_seconds = 10  # that long the gateway may take to give a neighbor up
    silent4, silent6 = V4.backend(99 - 10), V6.backend(99 - 10)
    # The question is repeated as often as the gateway likes.
    case.expect_where("core0", "an ARP request for the silent neighbor",
                      lambda frame: ARP in frame and frame[ARP].op == 1 and frame[ARP].pdst == silent4)  # fmt: skip
    case.expect_where("core0", "a solicitation for the silent neighbor",
                      lambda frame: ICMPv6ND_NS in frame and frame[ICMPv6ND_NS].tgt == silent6
                      and frame[IPv6].hlim == 255)  # fmt: skip
    case.tolerate("core0", lambda frame: ARP in frame and frame[ARP].pdst == silent4)
    case.tolerate("core0", lambda frame: ICMPv6ND_NS in frame and frame[ICMPv6ND_NS].tgt == silent6)
