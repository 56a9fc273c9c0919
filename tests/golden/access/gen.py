"""Access lists: the longest matching prefix of both lists decides, deny at a tie, and what matches neither is
allowed where nothing is. Every packet of who is denied is dropped, whatever it is of."""

import ipaddress

from scapy.layers.inet import TCP

from frames import V4, V6, from_client, rewritten, to_backend

OFFICE = ["192.0.2.128/25", "198.51.100.64/26"]
BOTS = ["192.0.2.0/24", "2001:db8:b::/48", "198.51.100.64/26"]
LISTS = {  # by family and port of the service: what allows and what denies
    (4, 80): (OFFICE + ["0.0.0.0/0"], BOTS + ["192.0.2.129/32"]),
    (6, 80): ([], BOTS),
    (4, 81): (["198.51.100.0/25"], []),
}
SOURCES = {
    4: ["192.0.2.1", "192.0.2.127", "192.0.2.128", "192.0.2.129", "192.0.2.130", "198.51.100.63", "198.51.100.64",
        "198.51.100.127", "198.51.100.128", "198.18.11.7"],
    6: ["2001:db8:b::1", "2001:db8:b:ffff::1", "2001:db8:a:ffff::1", "2001:db8:c::1"],
}  # fmt: skip


def longest(prefixes, source):
    """The length of the longest of them that holds the source, or -1."""
    address = ipaddress.ip_address(source)
    networks = map(ipaddress.ip_network, prefixes)
    return max((one.prefixlen for one in networks if one.version == address.version and address in one), default=-1)


def admits(version, port, source):
    allow, deny = LISTS[version, port]
    allowed, denied = longest(allow, source), longest(deny, source)
    if allowed == denied == -1:
        return not allow
    return allowed > denied


def build(case):
    for (version, port), family in (((4, 80), V4), ((6, 80), V6), ((4, 81), V4)):
        for source in SOURCES[version]:
            for flags in ("S", "A", "R"):
                ask(case, family, port, source, flags)


def ask(case, family, port, source, flags):
    packet = family.ip(src=source, dst=family.vip) / TCP(sport=40000, dport=port, flags=flags)
    case.send("edge0", from_client(packet))
    if not admits(family.version, port, source):
        return case.expect_drops(denied=1)
    backend = family.backend(1)
    if port == 81:
        case.expect("core0", to_backend(backend, packet))
    else:
        case.expect("core0", to_backend(backend, rewritten(packet, dst=backend, dport=8080)))
