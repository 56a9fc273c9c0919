"""ICMP errors about a flow find it, and in the NAT modes what they quote is translated, both ways.

The router on the client's side complains about what the gateway sent to the client; the backend complains
about what the gateway sent to it.
"""

from scapy.layers.inet import ICMP, UDP
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6PacketTooBig
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from frames import (
    EDGE_MAC, FAMILIES, ROUTER_MAC, V4, any_id, from_backend, from_client, rewritten, to_backend, to_client,
)  # fmt: skip


def error(family, source, destination, quoted, code="too big"):
    if family is V4:
        about = ICMP(type=3, code=4, nexthopmtu=1400) if code == "too big" else ICMP(type=3, code=3)
        return V4.ip(src=source, dst=destination) / about / Raw(bytes(quoted)[:28])
    about = ICMPv6PacketTooBig(mtu=1400) if code == "too big" else ICMPv6DestUnreach(code=4)
    return family.ip(src=source, dst=destination) / about / Raw(bytes(quoted))


MODES = (("dnat", 20), ("direct", 30), ("ipip", 40))


def build(case):
    for family in FAMILIES:
        for mode, number in MODES:
            request, backend = open_flow(case, family, mode, number)
            case.send("edge0", from_client(request))
            case.expect("core0", *forwarded(family, mode, request, backend))
    case.later("edge0")
    case.later("core0")
    for family in FAMILIES:
        for mode, number in MODES:
            client_side(case, family, mode, number)
        unknown = family.ip(src=family.vip, dst=family.client) / UDP(sport=81, dport=40000)
        case.send("edge0", from_client(error(family, family.router, family.vip, unknown)))
        case.expect_drops(no_service=1)
        backend_side_dnat(case, family)


def open_flow(case, family, mode, number):
    """The client's first packet; returns it, and the backend that has the flow."""
    vip = family.vip_of(number)
    request = family.ip(src=family.client, dst=vip) / UDP(sport=40000, dport=80) / b"question"
    backend = case.backend(f"{mode}{family.version}", family.client, 40000)
    return request, backend


def forwarded(family, mode, packet, backend):
    """The frame that the backend gets of a client's packet, and what of it is the gateway's choice."""
    if mode == "dnat":
        return to_backend(backend.address, rewritten(packet, dst=backend.address, dport=backend.port)), ()
    if mode == "ipip":
        outer = family.ip(src=family.core, dst=backend.address)
        return to_backend(backend.address, outer / packet), [any_id]
    return to_backend(backend.address, packet), ()


def client_side(case, family, mode, number):
    request, backend = open_flow(case, family, mode, number)
    reply = family.ip(src=request.dst, dst=family.client) / UDP(sport=80, dport=40000) / b"answer"
    complaint = error(family, family.router, request.dst, reply)
    case.send("edge0", Ether(src=ROUTER_MAC, dst=EDGE_MAC) / complaint)
    if mode == "dnat":
        quoted = rewritten(reply, hops=0, src=backend.address, sport=backend.port)
        translated = rewritten(error(family, family.router, backend.address, quoted))
        case.expect("core0", to_backend(backend.address, translated))
    else:
        case.expect("core0", *forwarded(family, mode, complaint, backend))


def backend_side_dnat(case, family):
    request, backend = open_flow(case, family, "dnat", 20)
    sent = rewritten(request, dst=backend.address, dport=8080)
    complaint = error(family, backend.address, family.client, sent, "port")
    case.send("core0", from_backend(backend.address, complaint))
    quoted = rewritten(sent, hops=0, dst=request.dst, dport=80)
    told = rewritten(error(family, request.dst, family.client, quoted, "port"))
    case.expect("edge0", to_client(told))
