"""A port with a VLAN takes and sends that one tag; another tag, none or two are dropped."""

from scapy.layers.inet import UDP

from frames import FAMILIES, from_backend, from_client, rewritten, tagged, to_backend, to_client


def build(case):
    for family in FAMILIES:
        request = family.ip(src=family.client, dst=family.vip) / UDP(sport=40000, dport=80) / b"x"
        backend = case.backend(f"udp{family.version}", family.client, 40000).address
        case.send("edge0", tagged(from_client(request), 100))
        case.expect("core0", tagged(to_backend(backend, rewritten(request, dst=backend)), [300, 30]))
        for wrong in (101, [100, 100]):
            case.send("edge0", tagged(from_client(request), wrong))
        case.send("edge0", from_client(request))
        case.expect_drops(wrong_vlan=3)
    case.later("core0")
    for family in FAMILIES:
        backend = case.backend(f"udp{family.version}", family.client, 40000).address
        reply = family.ip(src=backend, dst=family.client) / UDP(sport=80, dport=40000) / b"y"
        case.send("core0", tagged(from_backend(backend, reply), [300, 30]))
        case.expect("edge0", tagged(to_client(rewritten(reply, src=family.vip)), 100))
        for wrong in ([30, 300], [300, 31], 30, 300):
            case.send("core0", tagged(from_backend(backend, reply), wrong))
        case.expect_drops(wrong_vlan=4)
