"""The NAT modes decrement the TTL and drop what has 1 or less; the others leave it alone, but send nothing on
whose life is over, neither in a new flow nor in a known one."""

from scapy.layers.inet import UDP
from scapy.packet import Raw

from frames import FAMILIES, V4, any_id, from_client, gue_port, rewritten, to_backend


def tunnelled(family, mode, backend, packet):
    outer = family.ip(src=family.core, dst=backend)
    if mode == "gue":
        return to_backend(backend, outer / UDP(sport=0x8000, dport=6080) / Raw(bytes(packet)))
    setattr(outer, "proto" if family is V4 else "nh", 4 if family is V4 else 41)
    return to_backend(backend, outer / packet)


def free_of(mode):
    return [any_id, gue_port] if mode == "gue" else [any_id]


def build(case):
    for family in FAMILIES:
        for mode, number in (("full-nat", 10), ("dnat", 20), ("direct", 30), ("ipip", 40), ("gue", 50)):
            for ttl in (0, 1, 2, 3, 0):
                packet = (
                    family.ip(src=family.client, dst=family.vip_of(number))
                    / UDP(sport=40000, dport=80)
                    / b"x"
                )
                setattr(packet, "ttl" if family.version == 4 else "hlim", ttl)
                case.send("edge0", from_client(packet))
                service = f"{mode}-{family.version}"
                backend = case.backend(service, family.client, 40000).address
                if ttl == 0:
                    case.expect_drops(ttl_expired=1)
                elif mode in ("ipip", "gue"):
                    case.expect("core0", tunnelled(family, mode, backend, packet), free=free_of(mode))
                elif mode == "direct":
                    case.expect("core0", to_backend(backend, packet))
                elif ttl < 2:
                    case.expect_drops(ttl_expired=1)
                elif mode == "dnat":
                    case.expect("core0", to_backend(backend, rewritten(packet, dst=backend)))
                else:
                    there = rewritten(packet, src=family.snat, dst=backend)
                    case.expect("core0", to_backend(backend, there), bind=service)
