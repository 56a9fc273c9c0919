"""More full-nat flows to one endpoint than one SNAT address has ports: what is too much is dropped."""

from scapy.layers.inet import UDP

from frames import V4, from_client, to_every_port
from golden import ANY


def build(case):
    case.ignore("core0")
    # Two clients' 131,070 flows to one backend endpoint, and one address with 65,535 ports at most: each
    # frame has its own destination port at the VIP, rewritten to the one port of the backend.
    for client in (V4.client, "198.18.10.101"):
        packet = V4.ip(src=client, dst=V4.vip) / UDP(sport=40000) / b"x"
        case.send("edge0", *to_every_port(from_client(packet)))
    case.expect_drops(port_exhausted=ANY)
