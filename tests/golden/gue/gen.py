"""gue: GUE variant 1 within and across families; one flow keeps one source port."""

from scapy.layers.inet import TCP, UDP
from scapy.packet import Raw

from frames import FAMILIES, V4, V6, any_id, from_client, gue_port, to_backend


def build(case):
    for family in FAMILIES:
        for outer, vip in ((family, family.vip), (V6 if family is V4 else V4, family.vip_of(11))):
            for sport in range(40000, 40004):
                for kind, layer4 in (
                    ("tcp", TCP(sport=sport, dport=80)),
                    ("udp", UDP(sport=sport, dport=80) / b"x"),
                ):
                    encapsulate(case, family, outer, vip, kind, layer4)


def encapsulate(case, family, outer, vip, kind, layer4):
    inner = family.ip(src=family.client, dst=vip) / layer4
    setattr(inner, "tos" if family is V4 else "tc", 0x2E << 2 | 1)
    setattr(inner, "ttl" if family is V4 else "hlim", 1)
    crossed = "" if outer is family else "-crossed"
    backend = case.backend(f"{kind}{crossed}{family.version}", family.client, layer4.sport)
    header = outer.ip(src=outer.core, dst=backend.address)
    setattr(header, "tos" if outer is V4 else "tc", 0x2E << 2 | 1)
    setattr(header, "ttl" if outer is V4 else "hlim", 64)
    header /= UDP(sport=0x8000, dport=6080) / Raw(bytes(inner))
    case.send("edge0", from_client(inner), from_client(inner))
    for _ in range(2):
        case.expect(
            "core0", to_backend(backend.address, header), free=[any_id, gue_port], stable=bytes(inner)
        )
