"""ICMP errors about full-nat flows: both ends of what they quote are translated, in both directions."""

from scapy.layers.inet import ICMP, UDP
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6PacketTooBig
from scapy.layers.l2 import Ether

from frames import (
    EDGE_MAC, EVERY_PORT, FAMILIES, ROUTER_MAC, V4, from_backend, from_client, rewritten, to_backend,
    to_client,
)  # fmt: skip


def build(case):
    for family in FAMILIES:
        request = family.ip(src=family.client, dst=family.vip) / UDP(sport=40000, dport=53) / b"question"
        backend = case.backend(f"udp{family.version}", family.client, 40000).address
        there = rewritten(request, src=family.snat, dst=backend, dport=5353)
        case.send("edge0", from_client(request))
        case.expect("core0", to_backend(backend, there), bind=f"flow {family.version}")
    case.later("edge0")
    case.later("core0")
    for family in FAMILIES:
        backend = case.backend(f"udp{family.version}", family.client, 40000).address
        router_complains(case, family, backend)
        backend_complains(case, family, backend)


def router_complains(case, family, backend):
    """The answer did not fit on the client's side: the backend has to hear of it, about its own packet."""
    reply = family.ip(src=family.vip, dst=family.client) / UDP(sport=53, dport=40000) / b"an answer"
    about = ICMP(type=3, code=4, nexthopmtu=1400) if family is V4 else ICMPv6PacketTooBig(mtu=1400)
    complaint = family.ip(src=family.router, dst=family.vip) / about / bytes(reply)
    case.send("edge0", Ether(src=ROUTER_MAC, dst=EDGE_MAC) / complaint)

    def is_translated(frame):
        if type(about) not in frame:
            return False
        error = frame[type(about)]
        quoted = family.ip(bytes(error.payload))
        told = error.nexthopmtu if family is V4 else error.mtu
        return (
            frame.dst == to_backend(backend, about).dst
            and frame[family.ip].dst == backend
            and told == 1400
            and (quoted.src, quoted.dst) == (backend, family.snat)
            and quoted[UDP].sport == 5353
            and bytes(quoted[UDP].payload) == b"an answer"
            and bytes(rewritten(quoted, hops=0)) == bytes(quoted)
        )

    case.expect_where("core0", f"the IPv{family.version} error about the backend's packet", is_translated)


def backend_complains(case, family, backend):
    """The backend's port is closed: the client has to hear of it, about its own packet."""
    about = ICMP(type=3, code=3) if family is V4 else ICMPv6DestUnreach(code=4)
    sent = family.ip(src=family.snat, dst=backend) / UDP(sport=0, dport=5353) / b"question"
    complaint = family.ip(src=backend, dst=family.snat) / about / bytes(sent)
    frame = bytes(from_backend(backend, complaint))
    ports_at = frame.index(bytes(sent[UDP])[:6])
    zero_sum = int.from_bytes(frame[ports_at + 6 : ports_at + 8], "big")
    for port in range(1, EVERY_PORT + 1):
        # What the port adds, the quoted UDP checksum takes away: the ICMP checksum stays right.
        checksum = (zero_sum - port) % 0xFFFF or 0xFFFF
        quoted = port.to_bytes(2, "big") + frame[ports_at + 2 : ports_at + 6] + checksum.to_bytes(2, "big")
        case.send("core0", frame[:ports_at] + quoted + frame[ports_at + 8 :])
    case.expect_drops(no_service=EVERY_PORT - 1)

    def is_translated(frame):
        if type(about) not in frame:
            return False
        error = frame[type(about)]
        quoted = family.ip(bytes(error.payload))
        return (
            frame.dst == to_client(about).dst
            and frame[family.ip].dst == family.client
            and frame[family.ip].src == family.vip
            and (quoted.src, quoted.dst) == (family.client, family.vip)
            and (quoted[UDP].sport, quoted[UDP].dport) == (40000, 53)
            and bytes(rewritten(quoted, hops=0)) == bytes(quoted)
        )

    case.expect_where("edge0", f"the IPv{family.version} error about the client's packet", is_translated)
