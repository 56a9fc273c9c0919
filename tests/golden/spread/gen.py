"""Policies that count: round robin by weight, and the backend with the fewest connections for its weight."""

from scapy.layers.inet import UDP

from frames import CORE_MAC, FAMILIES, backend_mac, from_client


def build(case):
    for family in FAMILIES:
        for vip, policy in ((10, "weighted round robin"), (11, "least connections")):
            for sport in range(40000, 40008):
                packet = family.ip(src=family.client, dst=family.vip_of(vip)) / UDP(sport=sport, dport=80)
                case.send("edge0", from_client(packet))
            for backend, flows in ((family.backend(1), 6), (family.backend(2), 2)):
                for _ in range(flows):
                    expect_flow(case, family, family.vip_of(vip), backend, policy)


def expect_flow(case, family, vip, backend, policy):
    def goes_there(frame):
        macs = (CORE_MAC, backend_mac(backend))
        return (frame.src, frame.dst) == macs and family.ip in frame and frame[family.ip].dst == vip

    case.expect_where("core0", f"a flow to {backend} by {policy}", goes_there)
