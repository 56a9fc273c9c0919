"""What comes in with an address of the gateway itself as source is a martian: a VIP, one of a prefix, a SNAT
or a port's address, of whichever port; for services of every mode, echo, ICMP errors, and what is nobody's."""

from scapy.layers.inet import ICMP, TCP, UDP
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6EchoRequest
from scapy.packet import Raw

from frames import FAMILIES, V4, from_backend, from_client, to_backend

MODES = {"full-nat": 10, "dnat": 20, "ipip": 30, "gue": 40, "direct": 50}


def own_addresses(family):
    of_prefix = ("192.0.2.1", "192.0.2.254") if family is V4 else ("2001:db8:aaaa::1", "2001:db8:aaaa:9::9")
    return (*(family.vip_of(n) for n in MODES.values()), *of_prefix, family.snat, family.edge, family.core)


def build(case):
    for family in FAMILIES:
        backend = family.backend(1)
        for own in own_addresses(family):
            for packet in from_itself(family, own):
                for send in (lambda p: case.send("edge0", from_client(p)),
                             lambda p: case.send("core0", from_backend(backend, p))):  # fmt: skip
                    send(packet)
                    case.expect_drops(malformed_l3=1)
        legitimate(case, family)


def from_itself(family, own):
    """Packets that claim to come from `own`, or quote one that went there from a service."""
    for number in MODES.values():
        for layer4 in (TCP(sport=80, dport=80), TCP(sport=80, dport=80, flags="A"), UDP(sport=80, dport=80)):
            yield family.ip(src=own, dst=family.vip_of(number)) / layer4
    yield family.ip(src=own, dst=family.snat) / UDP(sport=80, dport=2000)
    yield family.ip(src=own, dst=family.edge) / UDP(sport=80, dport=9)
    echo = ICMP(type=8, id=7, seq=3) if family is V4 else ICMPv6EchoRequest(id=7, seq=3)
    for asked in (family.vip, family.edge):
        yield family.ip(src=own, dst=asked) / echo
    unreachable = ICMP(type=3, code=1) if family is V4 else ICMPv6DestUnreach(code=3)
    for number in MODES.values():
        vip = family.vip_of(number)
        answer = family.ip(src=vip, dst=family.client) / UDP(sport=80, dport=40000) / b"x"
        yield family.ip(src=own, dst=vip) / unreachable / Raw(bytes(answer))
        looped = family.ip(src=vip, dst=own) / UDP(sport=80, dport=80) / b"x"
        yield family.ip(src=family.router, dst=vip) / unreachable / Raw(bytes(looped))


def legitimate(case, family):
    """A neighbor in number, but none of the gateway's: served as ever."""
    client = "198.18.10.2" if family is V4 else "2001:db8:10::2"
    request = family.ip(src=client, dst=family.vip_of(50)) / UDP(sport=40000, dport=80) / b"x"
    case.send("edge0", from_client(request))
    case.expect("core0", to_backend(family.backend(1), request))
