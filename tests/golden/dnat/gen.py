"""dnat: the destination is rewritten, the client's address stays; replies get the VIP back."""

from scapy.layers.inet import TCP, UDP

from frames import FAMILIES, V4, from_backend, from_client, rewritten, to_backend, to_client


def build(case):
    exchanges = []
    for family in FAMILIES:
        checksums = (None, 0) if family is V4 else (None,)  # IPv4 alone may leave UDP's out
        for sport in range(40000, 40008):
            exchanges.append(
                (family, "tcp", 80, 8080, TCP(sport=sport, dport=80, flags="S"), TCP(flags="SA"))
            )
        for checksum in checksums:
            exchanges.append(
                (
                    family, "udp", 9000, 9000,
                    UDP(sport=41000 if checksum is None else 41001, dport=9000, chksum=checksum) / b"ping",
                    UDP(chksum=checksum) / b"pong!",
                )  # fmt: skip
            )
    for family, kind, port, backend_port, asked, answered in exchanges:
        request = family.ip(src=family.client, dst=family.vip) / asked
        backend = case.backend(f"{kind}{family.version}", family.client, asked.sport)
        case.send("edge0", from_client(request))
        there = rewritten(request, dst=backend.address, dport=backend_port)
        case.expect("core0", to_backend(backend.address, there))
    case.later("core0")
    for family, kind, port, backend_port, asked, answered in exchanges:
        backend = case.backend(f"{kind}{family.version}", family.client, asked.sport)
        answered.sport, answered.dport = backend_port, asked.sport
        reply = family.ip(src=backend.address, dst=family.client) / answered
        case.send("core0", from_backend(backend.address, reply))
        case.expect("edge0", to_client(rewritten(reply, src=family.vip, sport=port)))
        stranger = family.ip(src=family.backend(3), dst=family.client) / answered
        case.send("core0", from_backend(family.backend(3), stranger))
        case.expect_drops(no_service=1)
