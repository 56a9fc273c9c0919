"""direct: only the MAC addresses change; not one bit from the IP header on."""

from scapy.layers.inet import TCP, UDP

from frames import FAMILIES, from_client, to_backend


def build(case):
    for family in FAMILIES:
        for sport in range(40000, 40008):
            for kind, layer4 in (
                ("tcp", TCP(sport=sport, dport=80)),
                ("udp", UDP(sport=sport, dport=80) / b"x"),
            ):
                packet = family.ip(src=family.client, dst=family.vip) / layer4
                if family.version == 4:
                    packet.ttl, packet.tos, packet.id, packet.flags = 1, 0xB9, 77, "DF"
                else:
                    packet.hlim, packet.tc, packet.fl = 1, 0xB9, 0x54321
                backend = case.backend(f"{kind}{family.version}", family.client, sport)
                case.send("edge0", from_client(packet))
                case.expect("core0", to_backend(backend.address, packet))
