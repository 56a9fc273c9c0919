"""Whole flows are copied to a second pool, in the service's mode; what that answers is taken silently."""

import maglev
from scapy.layers.inet import ICMP, TCP, UDP
from scapy.layers.inet6 import ICMPv6DestUnreach

from frames import FAMILIES, V4, from_backend, from_client, rewritten, source_port, to_backend, to_client
from gateway import HASH_KEY


def shadow_of(case, family, key):
    """Which backend of the second pool a flow is copied to."""
    pool = next(p for p in case.config["pools"] if p["name"] == f"shadow{family.version}")
    table = maglev.build_table(HASH_KEY, [maglev.Backend(b["address"]) for b in pool["backends"]], key[4])
    return table[maglev.flow_hash(HASH_KEY, *key) % len(table)].address


def is_copied(key, fraction):
    source, source_port, destination, destination_port, protocol = key
    flow = maglev.address16(source) + maglev.address16(destination)
    flow += source_port.to_bytes(2, "big") + destination_port.to_bytes(2, "big") + bytes([protocol, 0x6D])
    return maglev.siphash24(HASH_KEY, flow) < fraction * 2**64


def build(case):
    copied = []
    for family in FAMILIES:
        for sport in range(40000, 40020):
            key = (family.client, sport, family.vip, 80, maglev.UDP)
            for text in (b"first", b"second"):
                request = family.ip(src=family.client, dst=family.vip) / UDP(sport=sport, dport=80) / text
                case.send("edge0", from_client(request))
                case.expect(
                    "core0",
                    to_backend(family.backend(1), rewritten(request, dst=family.backend(1), dport=8080)),
                )
                if is_copied(key, 0.5):
                    shadow = shadow_of(case, family, key)
                    case.expect("core0", to_backend(shadow, rewritten(request, dst=shadow)))
            if is_copied(key, 0.5):
                copied.append((family, sport, shadow_of(case, family, key)))
        for sport in (41000, 41001):
            key = (family.client, sport, family.vip_of(11), 80, maglev.TCP)
            request = family.ip(src=family.client, dst=family.vip_of(11)) / TCP(
                sport=sport, dport=80, flags="S", seq=7
            )
            case.send("edge0", from_client(request))
            name = f"{family.version} {sport}"
            for backend, port in ((family.backend(1), 8080), (shadow_of(case, family, key), 80)):
                there = rewritten(request, src=family.snat, dst=backend, dport=port)
                case.expect("core0", to_backend(backend, there), free=[source_port], stable=name)
    assert 10 < len(copied) < 30
    case.later("core0")
    for family, sport, shadow in copied:
        answer = family.ip(src=shadow, dst=family.client) / UDP(sport=80, dport=sport) / b"nobody hears me"
        case.send("core0", from_backend(shadow, answer))
        unreachable = ICMP(type=3, code=3) if family is V4 else ICMPv6DestUnreach(code=4)
        quoted = family.ip(src=family.client, dst=shadow) / UDP(sport=sport, dport=80) / b"first"
        case.send(
            "core0", from_backend(shadow, family.ip(src=shadow, dst=family.client) / unreachable / quoted)
        )
        real = family.ip(src=family.backend(1), dst=family.client) / UDP(sport=8080, dport=sport) / b"heard"
        case.send("core0", from_backend(family.backend(1), real))
        case.expect("edge0", to_client(rewritten(real, src=family.vip, sport=80)))
