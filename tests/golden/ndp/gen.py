"""NDP is spoken for ports, SNAT addresses and VIPs; a hop limit other than 255 is ignored."""

import socket

from scapy.layers.inet6 import (
    ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr, IPv6,
)  # fmt: skip
from scapy.layers.l2 import Ether
from scapy.utils6 import in6_getnsma, in6_getnsmac

from frames import CLIENT_MAC, EDGE_MAC, V6


def solicited_node(target):
    group = in6_getnsma(socket.inet_pton(socket.AF_INET6, target))
    return socket.inet_ntop(socket.AF_INET6, group), in6_getnsmac(group)


def ask(case, target, answered=True, hlim=255, unicast=False):
    group, group_mac = (target, EDGE_MAC) if unicast else solicited_node(target)
    question = IPv6(src=V6.client, dst=group, hlim=hlim) / ICMPv6ND_NS(tgt=target)
    question /= ICMPv6NDOptSrcLLAddr(lladdr=CLIENT_MAC)
    case.send("edge0", Ether(src=CLIENT_MAC, dst=group_mac) / question)
    if answered:
        case.expect_where("edge0", f"an advertisement of {target}", lambda frame: advertises(frame, target))


def advertises(frame, target):
    if ICMPv6ND_NA not in frame or ICMPv6NDOptDstLLAddr not in frame:
        return False
    header, said = frame[IPv6], frame[ICMPv6ND_NA]
    return (
        (frame.src, frame.dst) == (EDGE_MAC, CLIENT_MAC)
        and (header.src, header.dst, header.hlim) == (target, V6.client, 255)
        and (said.tgt, said.S, said.R) == (target, 1, said.R)
        and frame[ICMPv6NDOptDstLLAddr].lladdr == EDGE_MAC
    )


def build(case):
    for target in (V6.edge, V6.vip, V6.snat, "2001:db8:aaaa::1", "2001:db8:aaaa:ffff::2"):
        ask(case, target)
    ask(case, V6.edge, unicast=True)
    for target in ("2001:db8:10::77", "2001:db8:f::99"):
        ask(case, target, answered=False)
    ask(case, V6.edge, answered=False, hlim=254)
    ask(case, V6.vip, answered=False, hlim=64)
