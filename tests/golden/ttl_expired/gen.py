"""The NAT modes decrement the TTL and drop what has 1 or less; the others leave it alone."""

from scapy.layers.inet import UDP

from frames import FAMILIES, from_client, rewritten, to_backend


def build(case):
    for family in FAMILIES:
        for mode, number in (("full-nat", 10), ("dnat", 20), ("direct", 30)):
            for ttl in (0, 1, 2):
                packet = (
                    family.ip(src=family.client, dst=family.vip_of(number))
                    / UDP(sport=40000, dport=80)
                    / b"x"
                )
                setattr(packet, "ttl" if family.version == 4 else "hlim", ttl)
                case.send("edge0", from_client(packet))
                service = f"{mode}-{family.version}"
                backend = case.backend(service, family.client, 40000).address
                if mode == "direct":
                    case.expect("core0", to_backend(backend, packet))
                elif ttl < 2:
                    case.expect_drops(ttl_expired=1)
                elif mode == "dnat":
                    case.expect("core0", to_backend(backend, rewritten(packet, dst=backend)))
                else:
                    there = rewritten(packet, src=family.snat, dst=backend)
                    case.expect("core0", to_backend(backend, there), bind=service)
