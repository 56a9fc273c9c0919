"""Inspection: a pattern over a packet border ends its flow; a segment that comes early leaves after the one before it;
one that contradicts is dropped whole; reset tells both ends; in a datagram it counts alone."""

from scapy.layers.inet import IP, TCP, UDP

from frames import FAMILIES, from_client, rewritten, to_backend, to_client

FIRST, ACK = 1000, 7000


class Flow:
    """A client's connection, of which the backend has said nothing yet."""

    def __init__(self, case, family, sport):
        self.case, self.family, self.sport = case, family, sport
        self.passes(self.segment(-1, flags="S"))

    def segment(self, offset, data=b"", flags="PA"):
        tcp = TCP(sport=self.sport, dport=80, flags=flags, seq=FIRST + offset, ack=0 if flags == "S" else ACK)
        return self.family.ip(src=self.family.client, dst=self.family.vip) / tcp / data

    def arrives(self, packet):
        backend = self.family.backend(1)
        self.case.expect("core0", to_backend(backend, rewritten(packet, dst=backend, dport=8080)))

    def passes(self, packet):
        self.case.send("edge0", from_client(packet))
        self.arrives(packet)

    def waits(self, packet):
        self.case.send("edge0", from_client(packet))

    def is_dropped(self, packet):
        self.case.send("edge0", from_client(packet))
        self.case.expect_drops(inspected=1)


def build(case):
    for family in FAMILIES:
        over_a_border(Flow(case, family, 40000))
        out_of_order(Flow(case, family, 40001))
        contradicting(Flow(case, family, 40002))
        behind_the_first_bytes(Flow(case, family, 40003))
        reset(Flow(case, family, 40004))
        in_datagrams(case, family)


def over_a_border(flow):
    flow.passes(flow.segment(0, b"GET /etc/pa"))
    flow.is_dropped(flow.segment(11, b"sswd"))
    flow.is_dropped(flow.segment(15, b" HTTP/1.0"))


def out_of_order(flow):
    third, second, first = flow.segment(9, b"!"), flow.segment(5, b"/two"), flow.segment(0, b"GET /")
    flow.waits(third)
    flow.waits(second)
    flow.waits(first)
    for packet in (first, second, third):
        flow.arrives(packet)
    flow.passes(second)  # sent again


def contradicting(flow):
    flow.passes(flow.segment(0, b"GET /one"))
    flow.is_dropped(flow.segment(5, b"two"))
    flow.passes(flow.segment(5, b"one and more"))


def behind_the_first_bytes(flow):
    flow.passes(flow.segment(0, b"GET /beta " + b"x" * 50))
    flow.passes(flow.segment(60, b"/etc/passwd"))  # it ends behind byte 64


def reset(flow):
    family, backend = flow.family, flow.family.backend(1)
    flow.passes(flow.segment(0, b"GET / HTTP/1.1\r\n"))
    flow.is_dropped(flow.segment(16, b"User-Agent: SQLMAP"))

    def made_here(src, dst, **tcp):
        packet = family.ip(src=src, dst=dst) / TCP(flags="RA", window=0, **tcp)
        if isinstance(packet, IP):
            packet.id, packet.flags = 0, "DF"
        return rewritten(packet)  # a hop is taken from it

    flow.case.expect("core0", to_backend(backend, made_here(
        family.client, backend, sport=flow.sport, dport=8080, seq=FIRST + 16, ack=ACK)))  # fmt: skip
    flow.case.expect("edge0", to_client(made_here(
        family.vip, family.client, sport=80, dport=flow.sport, seq=ACK, ack=FIRST + 34)))  # fmt: skip


def in_datagrams(case, family):
    backend = family.backend(1)
    for sport, data in ((50000, b"example.com"), (50001, b"Version.Bind"), (50001, b"example.com")):
        packet = family.ip(src=family.client, dst=family.vip) / UDP(sport=sport, dport=53) / data
        case.send("edge0", from_client(packet))
        if sport == 50001:
            case.expect_drops(inspected=1)
        else:
            case.expect("core0", to_backend(backend, rewritten(packet, dst=backend, dport=8080)))
