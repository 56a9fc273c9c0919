"""What does not fit once encapsulated: the client is told the MTU that fits; without DF it is dropped.

The core's MTU is 1500, so an outer IPv4 header leaves 1480 (IPIP) or 1472 (GUE) bytes to the inner packet,
an outer IPv6 header 1460 or 1452.
"""

from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import ICMPv6PacketTooBig, IPv6

from frames import CLIENT_MAC, EDGE_MAC, FAMILIES, V4, V6, any_id, from_client, to_backend
from scapy.packet import Raw

OVERHEAD = {("ipip", 4): 20, ("ipip", 6): 40, ("gue", 4): 28, ("gue", 6): 48}


def build(case):
    for family in FAMILIES:
        for mode, number in (("ipip", 40), ("gue", 50)):
            for outer, crossed in ((family, ""), (V6 if family is V4 else V4, "-crossed")):
                vip = family.vip_of(number + bool(crossed))
                mtu = 1500 - OVERHEAD[mode, outer.version]
                service = f"{mode}{crossed}{family.version}"
                if mode == "ipip":
                    fits(case, family, outer, service, vip, mtu)
                case.send("edge0", from_client(packet(family, vip, mtu + 1, "DF")))
                expect_error(case, family, packet(family, vip, mtu + 1, "DF"), mtu)
                case.expect_drops(too_big=1)
                if family is V4:
                    case.send("edge0", from_client(packet(family, vip, mtu + 1, 0)))
                    case.expect_drops(too_big=1)


def packet(family, vip, size, flags):
    header = family.ip(src=family.client, dst=vip)
    if family is V4:
        header.flags = flags
    made = header / UDP(sport=40000, dport=80)
    return made / Raw(bytes(size - len(made)))


def fits(case, family, outer, service, vip, mtu):
    inner = packet(family, vip, mtu, "DF")
    backend = case.backend(service, family.client, 40000)
    header = outer.ip(src=outer.core, dst=backend.address)
    setattr(header, "proto" if outer is V4 else "nh", 4 if family is V4 else 41)
    case.send("edge0", from_client(inner))
    case.expect("core0", to_backend(backend.address, header / inner), free=[any_id])


def expect_error(case, family, quoted, mtu):
    quoted = bytes(quoted)

    def tells(frame):
        if (frame.src, frame.dst) != (EDGE_MAC, CLIENT_MAC) or family.ip not in frame:
            return False
        header, error = frame[family.ip], frame[family.ip].payload
        kind = (ICMP, 3, 4) if family is V4 else (ICMPv6PacketTooBig, 2, 0)
        if not isinstance(error, kind[0]) or (error.type, error.code) != kind[1:]:
            return False
        said = error.nexthopmtu if family is V4 else error.mtu
        carried = bytes(error)[8:]
        whole = len(bytes(header)) <= (576 if family is V4 else 1280)
        return (
            header.dst == family.client
            and header.src in (IP(quoted).dst if family is V4 else IPv6(quoted).dst, family.edge, family.core)
            and said == mtu
            and len(carried) >= (28 if family is V4 else 48)
            and quoted.startswith(carried)
            and whole
        )

    case.expect_where("edge0", f"an ICMP error that tells an MTU of {mtu}", tells)
