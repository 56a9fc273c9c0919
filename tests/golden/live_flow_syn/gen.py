"""full-nat: whatever a stranger forges about a live connection goes by its source port, and so does what its
own ends send afterwards (RFC 5961: the backend judges it)."""

from scapy.layers.inet import TCP

from frames import EVERY_PORT, FAMILIES, from_backend, from_client, rewritten, to_backend, to_client, to_every_port

FORGED = ("S", "SF", "SR", "SA", "SFR", "R", "RA", "FA")
CLIENT_PORTS = (40000, 40001, 40002)


def build(case):
    for family in FAMILIES:
        for sport in CLIENT_PORTS:
            asks(case, family, sport, "S", seq=100)
    case.later("core0")
    for family in FAMILIES:
        answers(case, family, "SA")
    # As many frames for nobody as the backends' answers are, so that what follows comes after them.
    nobody = family.ip(src=family.client, dst=family.vip_of(99)) / TCP(dport=9)
    case.send("edge0", *list(to_every_port(from_client(nobody))) * len(FAMILIES))
    case.expect_drops(no_service=EVERY_PORT * len(FAMILIES))
    case.later("edge0")
    case.later("edge0")
    for family in FAMILIES:
        for sport in CLIENT_PORTS:
            asks(case, family, sport, "A", seq=101)
            for flags in FORGED:
                asks(case, family, sport, flags, seq=0xDEADBEEF)
                asks(case, family, sport, "PA", seq=101, data=b"goes on")


def asks(case, family, sport, flags, seq, data=b""):
    request = family.ip(src=family.client, dst=family.vip) / TCP(sport=sport, dport=80, flags=flags, seq=seq) / data
    case.send("edge0", from_client(request))
    there = rewritten(request, src=family.snat, dst=family.backend(1), dport=8080)
    case.expect("core0", to_backend(family.backend(1), there), bind=f"{family.version} {sport}")


def answers(case, family, flags):
    reply = family.ip(src=family.backend(1), dst=family.snat) / TCP(sport=8080, flags=flags, seq=7, ack=101)
    case.send("core0", *to_every_port(from_backend(family.backend(1), reply)))
    for sport in CLIENT_PORTS:
        back = rewritten(reply, src=family.vip, dst=family.client, sport=80, dport=sport)
        case.expect("edge0", to_client(back))
    case.expect_drops(no_service=EVERY_PORT - len(CLIENT_PORTS))
