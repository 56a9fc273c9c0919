"""A VLAN tag with id 0 states a priority and no VLAN (IEEE 802.1Q): it counts as none, whatever is in the frame,
beside the port's own tag too; what leaves has the port's tags alone."""

import socket

from scapy.layers.inet import ICMP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr, IPv6,
)  # fmt: skip
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.utils6 import in6_getnsma, in6_getnsmac

from frames import (
    CLIENT_MAC, EDGE_MAC, FAMILIES, V4, V6, any_id, any_ttl, from_backend, from_client, rewritten, tagged,
    to_backend, to_client,
)  # fmt: skip


def with_priority(frame, priority):
    """The frame with a tag that states a priority and nothing else."""
    tag = Dot1Q(vlan=0, prio=priority, type=frame.type)
    return Ether(src=frame.src, dst=frame.dst) / tag / frame.payload.copy()


def build(case):
    for family in FAMILIES:
        requests(case, family)
        echo(case, family)
    arp(case)
    ndp(case)
    case.later("core0")
    for family in FAMILIES:
        replies(case, family)


def requests(case, family):
    packet = family.ip(src=family.client, dst=family.vip) / UDP(sport=40000, dport=80) / b"x"
    backend = family.backend(1)
    there = tagged(to_backend(backend, rewritten(packet, dst=backend)), 30)
    frame = from_client(packet)
    for same in (frame, *(with_priority(frame, priority) for priority in range(8)), tagged(frame, [0, 0])):
        case.send("edge0", same)
        case.expect("core0", there)
    for other in (tagged(frame, 30), tagged(frame, [0, 30]), tagged(frame, [30, 0])):
        case.send("edge0", other)
        case.expect_drops(wrong_vlan=1)


def replies(case, family):
    backend = family.backend(1)
    reply = family.ip(src=backend, dst=family.client) / UDP(sport=80, dport=40000) / b"y"
    frame = from_backend(backend, reply)
    for same in (30, [0, 30], [30, 0]):
        case.send("core0", tagged(frame, same))
        case.expect("edge0", to_client(rewritten(reply, src=family.vip)))
    for other in (0, [0, 0], [0, 31], [31, 0]):
        case.send("core0", tagged(frame, other))
        case.expect_drops(wrong_vlan=1)


def echo(case, family):
    ask, answer = (ICMP(type=8), ICMP(type=0)) if family is V4 else (ICMPv6EchoRequest(), ICMPv6EchoReply())
    for target in (family.vip, family.edge):
        request = family.ip(src=family.client, dst=target) / ask
        case.send("edge0", with_priority(from_client(request), 5))
        reply = family.ip(src=target, dst=family.client) / answer
        case.expect("edge0", to_client(reply), free=[any_id, any_ttl])


def arp(case):
    for target in (V4.edge, V4.vip):
        question = ARP(op="who-has", hwsrc=CLIENT_MAC, psrc=V4.client, hwdst="00:00:00:00:00:00", pdst=target)
        case.send("edge0", with_priority(Ether(src=CLIENT_MAC, dst="ff:ff:ff:ff:ff:ff") / question, 6))
        answer = ARP(op="is-at", hwsrc=EDGE_MAC, psrc=target, hwdst=CLIENT_MAC, pdst=V4.client)
        case.expect("edge0", Ether(src=EDGE_MAC, dst=CLIENT_MAC) / answer)


def ndp(case):
    for target in (V6.edge, V6.vip):
        group = in6_getnsma(socket.inet_pton(socket.AF_INET6, target))
        question = IPv6(src=V6.client, dst=socket.inet_ntop(socket.AF_INET6, group), hlim=255)
        question /= ICMPv6ND_NS(tgt=target) / ICMPv6NDOptSrcLLAddr(lladdr=CLIENT_MAC)
        case.send("edge0", with_priority(Ether(src=CLIENT_MAC, dst=in6_getnsmac(group)) / question, 6))
        case.expect_where(
            "edge0",
            f"an untagged advertisement of {target}",
            lambda frame, target=target: frame.type == 0x86DD
            and frame.dst == CLIENT_MAC
            and ICMPv6ND_NA in frame
            and frame[ICMPv6ND_NA].tgt == target,
        )
