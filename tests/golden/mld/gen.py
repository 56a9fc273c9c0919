"""MLDv2 reports tell switches of the solicited-node groups of ports, SNAT and VIPs: unasked at the start, and
in answer to queries; an MLDv1 querier is answered in its own language."""

import socket

from scapy.layers.inet6 import (
    ICMPv6MLDMultAddrRec, ICMPv6MLQuery, ICMPv6MLQuery2, ICMPv6MLReport, ICMPv6MLReport2, IPv6,
    IPv6ExtHdrHopByHop, RouterAlert,
)  # fmt: skip
from scapy.layers.l2 import Ether
from scapy.utils6 import in6_getnsma, in6_mactoifaceid

from frames import network, tagged

QUERIER, QUERIER_MAC = "fe80::99", "02:00:00:00:00:99"
IS_EXCLUDE, TO_EXCLUDE = 2, 4


def group_of(address):
    return socket.inet_ntop(socket.AF_INET6, in6_getnsma(socket.inet_pton(socket.AF_INET6, address)))


def link_local(mac):
    return "fe80::" + in6_mactoifaceid(mac, ulbit=0).lower()


def group_mac(group):
    return "33:33:" + ":".join(f"{byte:02x}" for byte in socket.inet_pton(socket.AF_INET6, group)[12:])


def groups(case, port, *addresses):
    return {group_of(address) for address in (*addresses, link_local(case.mac(port)))}


def query(message, group="ff02::1", source=QUERIER, hlim=1, alert=True):
    packet = IPv6(src=source, dst=group, hlim=hlim)
    if alert:
        packet /= IPv6ExtHdrHopByHop(options=[RouterAlert(value=0)])
    return Ether(src=QUERIER_MAC, dst=group_mac(group)) / packet / message


def is_sent_rightly(case, port, frame, to):
    """The headers that RFC 3810 5.2.13 and 5.2.14 ask for."""
    header = network(frame)
    alerts = [option for option in header[IPv6ExtHdrHopByHop].options if option.name == "Router Alert"]
    source = socket.inet_pton(socket.AF_INET6, header.src)
    return (
        frame.src == case.mac(port)
        and source == socket.inet_pton(socket.AF_INET6, link_local(case.mac(port)))
        and (header.dst, header.hlim) == (to, 1)
        and [alert.value for alert in alerts] == [0]
    )


def records_of(report):
    """Scapy takes the bytes behind a record for its payload, which is the next record."""
    records = []
    for record in report.records:
        while isinstance(record, ICMPv6MLDMultAddrRec):
            records.append(record)
            record = record.payload
    return records


def reports(case, port, kind, wanted):
    def is_it(frame):
        if ICMPv6MLReport2 not in frame or not is_sent_rightly(case, port, frame, "ff02::16"):
            return False
        records = records_of(frame[ICMPv6MLReport2])
        return frame.dst == "33:33:00:00:00:16" and sorted(
            (record.rtype, record.dst, record.sources_number) for record in records
        ) == sorted((kind, group, 0) for group in wanted)

    return is_it


def is_old_report(case, port, group):
    return lambda frame: (
        ICMPv6MLReport in frame
        and ICMPv6MLReport2 not in frame
        and frame[ICMPv6MLReport].mladdr == group
        and frame.dst == group_mac(group)
        and is_sent_rightly(case, port, frame, group)
    )


def build(case):
    case.hears_reports = True
    case.idle_seconds = 10  # it says twice what it listens to
    everywhere = ["2001:db8:f::10"]
    at_edge = groups(case, "edge0", "2001:db8:10::1", "2001:db8:10::77", *everywhere,
                     *(f"2001:db8:10::{last:x}" for last in range(0x100, 0x104)))  # fmt: skip
    at_tagged = groups(case, "tagged0", "2001:db8:20::1", "2001:db8:20::5", *everywhere)
    at_old = groups(case, "old0", "2001:db8:30::1", *everywhere)

    for port, wanted in (("edge0", at_edge), ("tagged0", at_tagged)):
        for time in ("once", "again"):
            case.expect_where(port, f"{time}: listens to its groups", reports(case, port, TO_EXCLUDE, wanted))
    case.send("edge0", query(ICMPv6MLQuery2(mladdr="::", mrd=1000)))
    case.expect_where("edge0", "answers a general query", reports(case, "edge0", IS_EXCLUDE, at_edge))

    group = group_of("2001:db8:20::5")
    case.send("tagged0", tagged(query(ICMPv6MLQuery2(mladdr=group, mrd=500), group), 100))
    case.expect_where("tagged0", "answers for one group", reports(case, "tagged0", IS_EXCLUDE, {group}))
    stranger = group_of("2001:db8:20::99")
    case.send("tagged0", tagged(query(ICMPv6MLQuery2(mladdr=stranger, mrd=1), stranger), 100))
    for wrong in ({"source": "2001:db8:20::99"}, {"hlim": 2}, {"alert": False}):
        case.send("tagged0", tagged(query(ICMPv6MLQuery2(mladdr="::", mrd=1), **wrong), 100))

    case.send("old0", query(ICMPv6MLQuery(mladdr="::", mrd=500)))
    for group in at_old:
        case.expect_where("old0", f"answers an MLDv1 query for {group}", is_old_report(case, "old0", group))
    # What it said of itself before it heard that querier, and after.
    case.tolerate("old0", lambda frame: ICMPv6MLReport2 in frame or ICMPv6MLReport in frame)
