"""More packets that begin no connection than a SNAT address has ports: new clients of full-nat get through."""

from scapy.layers.inet import TCP

from frames import EVERY_PORT, V4, from_client, to_every_port


def build(case):
    case.ignore("core0")
    # Each frame has its own destination port at the VIP, rewritten to the one port of the backend. A RST and
    # a SYN-ACK that belong to nothing are for nobody.
    for sport, flags in enumerate(("A", "SA", "R"), 40000):
        stray = V4.ip(src=V4.client, dst=V4.vip) / TCP(sport=sport, flags=flags)
        case.send("edge0", *to_every_port(from_client(stray)))
    case.expect_drops(no_service=2 * EVERY_PORT)
    for sport in range(10):
        request = V4.ip(src=V4.client, dst=V4.vip) / TCP(sport=50000 + sport, dport=80, flags="S")
        case.send("edge0", from_client(request))
