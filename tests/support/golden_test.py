"""The comparison that golden cases rest on, without a gateway."""

import pathlib

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

import golden

DIRECT = pathlib.Path(__file__).parents[1] / "golden" / "direct"


@pytest.fixture
def case():
    return golden.Case(DIRECT)


def frame(sport=1, payload=b"x"):
    return Ether(
        bytes(Ether() / IP(src="198.18.20.5", dst="198.18.20.11") / UDP(sport=sport, dport=80) / payload)
    )


def differences(case, frames, drops=None):
    outcome = golden.Outcome(0, "", {"edge0": [], "core0": frames}, drops or {})
    return golden.differences(case, outcome)


def test_a_frame_more_or_less_is_found(case):
    case.expect("core0", frame())
    assert not differences(case, [frame()])
    assert "missing" in differences(case, [])[0]
    assert "unexpected" in differences(case, [frame(), frame()])[0]
    assert len(differences(case, [frame(payload=b"y")])) == 2


def test_drops_are_compared_whole(case):
    case.expect_drops(no_service=2)
    assert not differences(case, [], {"no_service": 2, "fragment": 0})
    assert differences(case, [], {"no_service": 2, "fragment": 1})
    assert differences(case, [], {"no_service": 1})


def test_bound_ports_are_consistent_and_exclusive(case):
    case.expect("core0", frame(payload=b"1"), bind="one")
    case.expect("core0", frame(payload=b"2"), bind="one")
    case.expect("core0", frame(payload=b"3"), bind="two")
    assert not differences(case, [frame(5000, b"1"), frame(5000, b"2"), frame(6000, b"3")])
    assert "now 5001" in differences(case, [frame(5000, b"1"), frame(5001, b"2"), frame(6000, b"3")])[0]
    assert "share" in differences(case, [frame(5000, b"1"), frame(5000, b"2"), frame(5000, b"3")])[0]
    assert "system port" in differences(case, [frame(99, b"1"), frame(99, b"2"), frame(6000, b"3")])[0]


def test_a_wrong_checksum_under_a_bound_port_is_found(case):
    case.expect("core0", frame(), bind="one")
    broken = frame(5000)
    broken[UDP].chksum = 1
    assert "wrong checksum" in " ".join(differences(case, [broken]))
