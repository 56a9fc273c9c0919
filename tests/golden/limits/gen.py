"""Limits, at rates that give nothing back while the case runs: of each burst exactly so much passes. What goes on
with a flow that has begun is not asked, but where packets are counted."""

from scapy.layers.inet import TCP, UDP

from frames import V4, V6, from_client, rewritten, to_backend


def build(case):
    new_flows(case)
    packets(case)
    flows(case, 83, 9)
    for source in ("192.0.2.1", "192.0.2.2", "198.18.11.7"):
        of_source(case, V4, source, 5)
    # Of IPv6 a /64 is one source.
    of_source(case, V6, "2001:db8:77::1", 3)
    of_source(case, V6, "2001:db8:77::2", 0)
    of_source(case, V6, "2001:db8:78::1", 3)
    packets_of_sources(case)
    flows(case, 86, 7)


def tcp(family, source, port, sport, flags):
    return family.ip(src=source, dst=family.vip) / TCP(sport=sport, dport=port, flags=flags)


def passes(case, family, packet):
    case.expect("core0", to_backend(family.backend(1), packet))


def new_flows(case):
    for sport in range(1000, 1040):
        begin = tcp(V4, "192.0.2.1", 81, sport, "S")
        case.send("edge0", from_client(begin))
        if sport < 1020:
            passes(case, V4, begin)
        else:
            case.expect_drops(rate_limited=1)
    for _ in range(10):
        on = tcp(V4, "192.0.2.1", 81, 1003, "A")
        case.send("edge0", from_client(on))
        passes(case, V4, on)


def packets(case):
    for number in range(80):
        packet = tcp(V4, "192.0.2.1", 82, 1000 + number % 3, "A")
        packet[TCP].seq = number
        case.send("edge0", from_client(packet))
        if number < 50:
            passes(case, V4, packet)
        else:
            case.expect_drops(rate_limited=1)


def flows(case, port, most):
    for sport in range(1000, 1020):
        begin = tcp(V4, "192.0.2.1", port, sport, "S")
        case.send("edge0", from_client(begin))
        if sport < 1000 + most:
            case.expect("core0", to_backend(V4.backend(1), rewritten(begin, dst=V4.backend(1))))
        else:
            case.expect_drops(rate_limited=1)


def of_source(case, family, source, may_begin):
    for number in range(10):
        begin = tcp(family, source, 84, 1000 + number, "S")
        case.send("edge0", from_client(begin))
        if number < may_begin:
            passes(case, family, begin)
        else:
            case.expect_drops(rate_limited=1)


def packets_of_sources(case):
    """All of a /24 are one source."""
    for number in range(40):
        source = f"192.0.{2 + number % 2}.{number % 7}"
        packet = V4.ip(src=source, dst=V4.vip) / UDP(sport=2000 + number % 5, dport=85) / bytes([number])
        case.send("edge0", from_client(packet))
        if number // 2 < 11:
            passes(case, V4, packet)
        else:
            case.expect_drops(rate_limited=1)
