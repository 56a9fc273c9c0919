"""More full-nat flows to one endpoint than one SNAT address has ports: those that were answered keep theirs,
and what is too much is dropped."""

from scapy.layers.inet import UDP

from frames import EVERY_PORT, V4, from_backend, from_client, to_every_port

FIRST_PORT = 1024  # of those that the gateway gives out


def build(case):
    case.ignore("core0")
    case.ignore("edge0")
    # Each frame has its own destination port at the VIP, rewritten to the one port of the backend.
    asks(case, V4.client)
    wait(case, "core0", 1)
    answer = V4.ip(src=V4.backend(1), dst=V4.snat) / UDP(sport=53) / b"y"
    case.send("core0", *to_every_port(from_backend(V4.backend(1), answer)))
    case.expect_drops(no_service=FIRST_PORT - 1)
    wait(case, "edge0", 2)
    asks(case, "198.18.10.101")
    case.expect_drops(port_exhausted=EVERY_PORT)


def asks(case, client):
    packet = V4.ip(src=client, dst=V4.vip) / UDP(sport=40000) / b"x"
    case.send("edge0", *to_every_port(from_client(packet)))


def wait(case, port, rounds):
    """What is sent at this port from now on comes after what was sent at the other so far: that many times
    a frame of each destination port."""
    nobody = V4.ip(src="198.18.10.99", dst="198.18.99.99") / UDP(sport=9) / b"z"
    frame = from_client(nobody) if port == "edge0" else from_backend(V4.backend(1), nobody)
    case.send(port, *list(to_every_port(frame)) * rounds)
    case.expect_drops(no_service=EVERY_PORT * rounds)
    case.later(port)
