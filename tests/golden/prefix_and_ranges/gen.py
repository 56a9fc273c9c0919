"""Services on a prefix, a port range and any port."""

from scapy.layers.inet import TCP, UDP

from frames import FAMILIES, V4, from_client, rewritten, to_backend


def build(case):
    for family in FAMILIES:
        inside = "192.0.2.77" if family is V4 else "2001:db8:aaaa:77::1"
        for service, address, dport, layer4, backend_port in (
            ("prefix", inside, 80, TCP, 8080),
            ("range", family.vip, 8000, TCP, 8000),
            ("range", family.vip, 8099, TCP, 8099),
            ("any", family.vip, 9, UDP, 9),
            ("any", family.vip, 65535, UDP, 65535),
        ):
            packet = family.ip(src=family.client, dst=address) / layer4(sport=40000, dport=dport)
            backend = case.backend(
                f"{service}{family.version}", family.client, 40000, address=address, port=dport
            ).address
            case.send("edge0", from_client(packet))
            case.expect("core0", to_backend(backend, rewritten(packet, dst=backend, dport=backend_port)))
        for address, layer4 in (
            (family.vip, TCP(sport=40000, dport=7999)),
            (family.vip, TCP(sport=40000, dport=8100)),
            (inside, TCP(sport=40000, dport=81)),
            (inside, UDP(sport=40000, dport=80)),
        ):
            case.send("edge0", from_client(family.ip(src=family.client, dst=address) / layer4))
            case.expect_drops(no_service=1)
