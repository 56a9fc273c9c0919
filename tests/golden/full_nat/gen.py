"""full-nat: both ends are rewritten on the way in and on the way back, for TCP and UDP."""

from scapy.layers.inet import TCP, UDP

from frames import (
    EVERY_PORT, FAMILIES, from_backend, from_client, rewritten, to_backend, to_client, to_every_port,
)  # fmt: skip

CLIENT_PORTS = (40000, 40001, 40002)
SERVICES = {
    "tcp": (80, 8080, TCP(flags="S", seq=1, options=[("MSS", 1460)]), TCP(flags="SA", seq=7, ack=2)),
    "udp": (53, 5353, UDP() / b"question", UDP() / b"an answer"),
}


def build(case):
    for family in FAMILIES:
        for kind in SERVICES:
            requests(case, family, kind)
    case.later("core0")
    for family in FAMILIES:
        for kind in SERVICES:
            replies(case, family, kind)


def requests(case, family, kind):
    port, backend_port, asked, _ = SERVICES[kind]
    for sport in CLIENT_PORTS:
        request = family.ip(src=family.client, dst=family.vip) / asked
        request[type(asked)].sport, request[type(asked)].dport = sport, port
        backend = case.backend(f"{kind}{family.version}", family.client, sport).address
        there = rewritten(request, src=family.snat, dst=backend, dport=backend_port)
        for _ in range(2):  # a repetition is the same flow: the same source port
            case.send("edge0", from_client(request))
            case.expect("core0", to_backend(backend, there), bind=f"{kind}{family.version} {sport}")


def replies(case, family, kind):
    """Each backend answers to every port of the SNAT address: those that are flows reach the client."""
    port, backend_port, _, answered = SERVICES[kind]
    for backend in (family.backend(1), family.backend(2)):
        reply = family.ip(src=backend, dst=family.snat) / answered
        reply[type(answered)].sport = backend_port
        case.send("core0", *to_every_port(from_backend(backend, reply)))
        flows = [
            sport
            for sport in CLIENT_PORTS
            if case.backend(f"{kind}{family.version}", family.client, sport).address == backend
        ]
        for sport in flows:
            back = rewritten(reply, src=family.vip, dst=family.client, sport=port, dport=sport)
            case.expect("edge0", to_client(back))
        case.expect_drops(no_service=EVERY_PORT - len(flows))
