"""A frame padded to Ethernet's minimum: the padding is no part of the packet and is never encapsulated."""

from scapy.layers.inet import UDP

from frames import V4, V6, any_id, from_client, rewritten, to_backend


def build(case):
    inner = V4.ip(src=V4.client, dst=V4.vip) / UDP(sport=40000, dport=80) / b"x"
    backend = case.backend("ipip4", V4.client, 40000).address
    outer = V4.ip(src=V4.core, dst=backend, ttl=64, proto=4)
    case.send("edge0", bytes(from_client(inner)) + bytes(17))
    case.expect("core0", to_backend(backend, outer / inner), free=[any_id])
    for family in (V4, V6):
        packet = family.ip(src=family.client, dst=family.vip_of(20)) / UDP(sport=40000, dport=80) / b"x"
        backend = case.backend(f"dnat{family.version}", family.client, 40000).address
        case.send("edge0", bytes(from_client(packet)) + b"padding")
        case.expect("core0", to_backend(backend, rewritten(packet, dst=backend)))
