"""An answer of NAT comes from where its backend is: made up on the client's side, with the backend's address, it
is denied, and changes nothing about the flow, neither before nor after the flow's path is known."""

from scapy.layers.inet import TCP, UDP

from frames import (
    EVERY_PORT, FAMILIES, from_backend, from_client, rewritten, to_backend, to_client, to_every_port,
)  # fmt: skip

SERVICES = {
    "tcp": (TCP(sport=40000, dport=80, flags="S"), TCP(sport=40000, dport=80, flags="A"),
            (TCP(sport=80, dport=40000, flags="SA"), TCP(sport=80, dport=40000, flags="R"))),
    "udp": (UDP(sport=40000, dport=80) / b"x", UDP(sport=40000, dport=80) / b"x",
            (UDP(sport=80, dport=40000) / b"y",)),
}  # fmt: skip
MODES = {"full-nat": 10, "dnat": 20}


def build(case):
    every = [(family, kind, mode, number)
             for family in FAMILIES for kind in SERVICES for mode, number in MODES.items()]  # fmt: skip
    for family, kind, mode, number in every:
        request(case, family, mode, number, kind, SERVICES[kind][0])
    # The backends answer while most of what is made up is still to come: it is so much.
    case.later("core0")
    for family, kind, mode, _ in every:
        for answer in SERVICES[kind][2]:
            forge(case, family, mode, answer)
    for family, kind, mode, number in every:
        answered(case, family, mode, number, SERVICES[kind][2][0])
    case.later("edge0")
    for family, kind, mode, number in every:
        for _ in range(3):  # from the second on by the short way
            request(case, family, mode, number, kind, SERVICES[kind][1])
        for answer in SERVICES[kind][2]:
            forge(case, family, mode, answer)
        request(case, family, mode, number, kind, SERVICES[kind][1])


def request(case, family, mode, number, kind, layer4):
    backend = family.backend(1)
    packet = family.ip(src=family.client, dst=family.vip_of(number)) / layer4
    case.send("edge0", from_client(packet))
    if mode == "dnat":
        case.expect("core0", to_backend(backend, rewritten(packet, dst=backend)))
    else:
        there = rewritten(packet, src=family.snat, dst=backend)
        case.expect("core0", to_backend(backend, there), bind=f"{kind}{family.version}")


def forge(case, family, mode, layer4):
    """As from the backend, but by the port of the clients. The ports that full-nat chose are not known."""
    if mode == "dnat":
        case.send("edge0", from_client(family.ip(src=family.backend(1), dst=family.client) / layer4))
        case.expect_drops(denied=1)
        return
    packet = family.ip(src=family.backend(1), dst=family.snat) / layer4
    case.send("edge0", *to_every_port(from_client(packet)))
    case.expect_drops(denied=1, no_service=EVERY_PORT - 1)


def answered(case, family, mode, number, layer4):
    backend = family.backend(1)
    vip = family.vip_of(number)
    if mode == "dnat":
        reply = family.ip(src=backend, dst=family.client) / layer4
        case.send("core0", from_backend(backend, reply))
    else:
        reply = family.ip(src=backend, dst=family.snat) / layer4
        case.send("core0", *to_every_port(from_backend(backend, reply)))
        case.expect_drops(no_service=EVERY_PORT - 1)
    back = rewritten(reply, src=vip, dst=family.client, sport=80, dport=40000)
    case.expect("edge0", to_client(back))
