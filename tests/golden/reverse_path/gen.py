"""An answer of NAT comes from where its backend is: made up on the client's side, with the backend's address, it
is denied, and changes nothing about the flow, neither before nor after the flow's path is known."""

from scapy.layers.inet import TCP, UDP

from frames import FAMILIES, from_backend, from_client, rewritten, to_backend, to_client

SERVICES = {
    "tcp": (TCP(sport=40000, dport=80, flags="S"), TCP(sport=40000, dport=80, flags="A"),
            (TCP(sport=80, dport=40000, flags="SA"), TCP(sport=80, dport=40000, flags="R"))),
    "udp": (UDP(sport=40000, dport=80) / b"x", UDP(sport=40000, dport=80) / b"x",
            (UDP(sport=80, dport=40000) / b"y",)),
}  # fmt: skip
DNAT_VIP = 20


def build(case):
    for family in FAMILIES:
        for first, _, forged in SERVICES.values():
            request(case, family, first)
            for answer in forged:
                forge(case, family, answer)
    case.later("core0")
    case.later("edge0")
    for family in FAMILIES:
        for _, _, forged in SERVICES.values():
            answered(case, family, forged[0])
    case.later("edge0")
    for family in FAMILIES:
        for _, goes_on, forged in SERVICES.values():
            for _ in range(3):  # from the second on by the short way
                request(case, family, goes_on)
            for answer in forged:
                forge(case, family, answer)
            request(case, family, goes_on)


def request(case, family, layer4):
    backend = family.backend(1)
    packet = family.ip(src=family.client, dst=family.vip_of(DNAT_VIP)) / layer4
    case.send("edge0", from_client(packet))
    case.expect("core0", to_backend(backend, rewritten(packet, dst=backend)))


def forge(case, family, layer4):
    """As from the backend, but by the port of the clients."""
    case.send("edge0", from_client(family.ip(src=family.backend(1), dst=family.client) / layer4))
    case.expect_drops(denied=1)


def answered(case, family, layer4):
    backend = family.backend(1)
    reply = family.ip(src=backend, dst=family.client) / layer4
    case.send("core0", from_backend(backend, reply))
    back = rewritten(reply, src=family.vip_of(DNAT_VIP), dst=family.client, sport=80, dport=40000)
    case.expect("edge0", to_client(back))
