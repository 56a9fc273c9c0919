"""Echo requests to a VIP and to a port's address are answered; to anybody else they are nobody's."""

from scapy.layers.inet import ICMP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest

from frames import FAMILIES, V4, any_id, any_ttl, from_client, to_client


def build(case):
    for family in FAMILIES:
        for target in (family.vip, family.edge, family.core):
            for size in (0, 56, 1400):
                ask(case, family, target, bytes(size))
        stranger = request(family, "192.0.2.9" if family is V4 else "2001:db8:ffff::9", b"")
        case.send("edge0", from_client(stranger))
        case.expect_drops(no_service=1)


def request(family, target, data):
    asked = ICMP(type=8, id=7, seq=3) if family is V4 else ICMPv6EchoRequest(id=7, seq=3)
    return family.ip(src=family.client, dst=target) / asked / data


def ask(case, family, target, data):
    answer = ICMP(type=0, id=7, seq=3) if family is V4 else ICMPv6EchoReply(id=7, seq=3)
    case.send("edge0", from_client(request(family, target, data)))
    reply = family.ip(src=target, dst=family.client) / answer / data
    case.expect("edge0", to_client(reply), free=[any_id, any_ttl])
