"""IPv6 extension headers, a bounded number of them, lie between the addresses and the ports."""

from scapy.layers.inet import TCP, UDP
from scapy.layers.inet6 import IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, PadN

from frames import V6, from_client, rewritten, to_backend


def build(case):
    options = [PadN(optdata=bytes(4))]
    chains = (
        [IPv6ExtHdrDestOpt(options=options)],
        [IPv6ExtHdrHopByHop(options=options), IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(20))])],
        [IPv6ExtHdrRouting(segleft=0)],
    )
    for number, chain in enumerate(chains):
        for kind, layer4 in (("tcp", TCP(dport=80, flags="S")), ("udp", UDP(dport=80) / b"data")):
            layer4.sport = 40000 + number
            packet = V6.ip(src=V6.client, dst=V6.vip)
            for header in chain:
                packet /= header
            packet /= layer4
            backend = case.backend(f"{kind}6", V6.client, layer4.sport).address
            case.send("edge0", from_client(packet))
            case.expect("core0", to_backend(backend, rewritten(packet, dst=backend, dport=8080)))
