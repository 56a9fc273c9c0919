"""Floods of packets that begin no connection, through a full flow table of dnat: connections that were
answered before go on, and a client's port that is closed, or that nobody answered, serves another VIP."""

from scapy.layers.inet import TCP, UDP

from frames import FAMILIES, from_backend, from_client, rewritten, to_backend, to_client

ANSWERED = range(40000, 40025)  # of each family: 100 entries of 256 together
CLOSED, LIVE = 41000, 41001
# What a client that has no connection may send; RST and a SYN that opens nothing are for nobody.
FORWARDED = ("A", "PA", "FA", "S")
FOR_NOBODY = ("SA", "R", "RA", "SR", "SF")


def build(case):
    for family in FAMILIES:
        for sport in (*ANSWERED, CLOSED, LIVE):
            asks(case, family, sport, "S")
    case.later("core0")
    for family in FAMILIES:
        for sport in (*ANSWERED, CLOSED, LIVE):
            answers(case, family, sport, "SA")
    later(case, "edge0", 2)
    for family in FAMILIES:
        for sport in (*ANSWERED, CLOSED, LIVE):
            asks(case, family, sport, "A")
        asks(case, family, CLOSED, "RA")
        asks(case, family, LIVE, "A")
        other_vip(case, family)
        flood(case, family)
        for sport in ANSWERED:
            asks(case, family, sport, "PA")
    later(case, "core0", 12)
    for family in FAMILIES:
        for sport in ANSWERED:
            answers(case, family, sport, "PA")


def later(case, port, times):
    """After as many frames as the other port has had."""
    for _ in range(times):
        case.later(port)


def asks(case, family, sport, flags, vip=None, is_forwarded=True):
    request = family.ip(src=family.client, dst=vip or family.vip) / TCP(sport=sport, dport=80, flags=flags)
    case.send("edge0", from_client(request))
    if is_forwarded:
        there = rewritten(request, dst=family.backend(1), dport=8080)
        case.expect("core0", to_backend(family.backend(1), there))


def answers(case, family, sport, flags):
    reply = family.ip(src=family.backend(1), dst=family.client) / TCP(sport=8080, dport=sport, flags=flags)
    case.send("core0", from_backend(family.backend(1), reply))
    case.expect("edge0", to_client(rewritten(reply, src=family.vip, sport=80)))


def other_vip(case, family):
    """The same client ports at another VIP of the same backend."""
    asks(case, family, CLOSED, "S", vip=family.vip_of(20))
    asks(case, family, LIVE, "S", vip=family.vip_of(20), is_forwarded=False)
    case.expect_drops(port_exhausted=1)  # dnat cannot tell the answers apart
    asks(case, family, 41002, "S")
    asks(case, family, 41002, "S", vip=family.vip_of(20))


def flood(case, family):
    for sport in range(20000, 20150):
        for flags in FORWARDED:
            asks(case, family, sport + 1000 * FORWARDED.index(flags), flags)
        for flags in FOR_NOBODY:
            asks(case, family, sport + 10000, flags, is_forwarded=False)
            case.expect_drops(no_service=1)
        datagram = family.ip(src=family.client, dst=family.vip) / UDP(sport=sport, dport=53) / b"x"
        case.send("edge0", from_client(datagram))
        there = rewritten(datagram, dst=family.backend(1), dport=8080)
        case.expect("core0", to_backend(family.backend(1), there))
