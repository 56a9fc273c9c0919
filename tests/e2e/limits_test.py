"""Limits in front of real traffic: what a gateway lets through, by frames that scapy has made and libpcap has counted,
keeps to rate * t + burst in every window, and is at least 0.98 of what one bucket would let through. Scenarios are
random; SLUICE_LIMIT_SCENARIOS says how many."""

import contextlib
import copy
import itertools
import os
import random
import signal
import socket
import time
from typing import Dict, List, NamedTuple

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.utils import RawPcapReader

from configuration import SERVICES
from processes import eventually
from topology import CLIENT4, EDGE4, GATEWAY_MACS, backend4

SERVICE = next(one for one in SERVICES if one.name == "dnat-udp4")
SOURCES = (CLIENT4, EDGE4 + "101")
PORT_AT_BACKEND = 9001
# A worker that loses its CPU after it has read its clock and before it looks at its queue takes what came meanwhile for
# earlier than it was.
LOST_SECONDS = 0.1
# Who sees a packet this long after it was sent has met a machine that stalls: less than what LOST_SECONDS, and half a
# burst, allow for.
LATE_SECONDS = 0.05
ATTEMPTS = 10
SECONDS = 0.25  # of traffic
SCENARIOS = int(os.environ.get("SLUICE_LIMIT_SCENARIOS", "10"))

pytestmark = pytest.mark.alone


class Scenario(NamedTuple):
    """A limit, and what is sent against it."""

    kind: str  # packets | new_flows
    per_source: bool
    rate: int
    burst: int
    overload: float  # so many times of the rate
    flows: int  # of each source, for packets; new flows are one for each packet
    pauses: bool

    @classmethod
    def drawn(cls, number: int) -> "Scenario":
        draw = random.Random(f"limits {number}")
        rate = draw.choice((150, 400, 1000, 2500))
        burst = max(1, int(rate * draw.choice((0.002, 0.02, 0.2, 0.4))))
        kind = draw.choice(("packets", "packets", "new_flows"))
        overload, flows = draw.uniform(0.7, 4), draw.choice((1, 2, 16))
        return cls(kind, draw.random() < 0.5, rate, burst, overload, flows, draw.random() < 0.3)

    @property
    def limits(self) -> dict:
        limit = {self.kind: {"rate": self.rate, "burst": self.burst}}
        return {"per_source": limit} if self.per_source else limit


class Generator:
    """Sends frames that scapy has made, each with a number of its own, and remembers when."""

    def __init__(self, lab):
        with lab.client.entered():
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            self.socket.bind(("eth0", 0))
        self.sent: Dict[int, float] = {}
        self.numbers = itertools.count()
        self.blocks = itertools.count()  # of sixteen ports, for known flows
        # Each only once: of a flow that an earlier scenario began, and that lives, no packet begins another one.
        self.new_ports = iter(range(10_240, 65_536))
        mac = lab.client.ip("-br", "link", "show", "dev", "eth0").split()[2]
        link = Ether(src=mac, dst=GATEWAY_MACS["edge0"])
        ends = (IP(src=source, dst=SERVICE.vip) for source in SOURCES)
        self.frames = [bytes(link / one / UDP(sport=1, dport=SERVICE.port, chksum=0) / bytes(8)) for one in ends]

    def send(self, source: int, port: int) -> int:
        frame = bytearray(self.frames[source])
        number = next(self.numbers)
        frame[34:36] = port.to_bytes(2, "big")
        frame[-8:] = number.to_bytes(8, "big")
        self.sent[number] = time.time()
        self.socket.send(frame)
        return number

    def play(self, scenario: Scenario) -> List[List[int]]:
        """The numbers of what each source has sent, in order."""
        numbers: List[List[int]] = [[] for _ in SOURCES]
        first_port = 1024 + next(self.blocks) * 16 % 8192
        begin, pause = time.time(), SECONDS / 3 if scenario.pauses else 0
        while (passed := time.time() - begin) < SECONDS + pause:
            if pause and SECONDS / 2 < passed < SECONDS / 2 + pause:
                time.sleep(0.001)
                continue
            due = scenario.rate * scenario.overload * passed
            while sum(map(len, numbers)) < due:
                count = sum(map(len, numbers))
                is_new = scenario.kind == "new_flows"
                port = next(self.new_ports) if is_new else first_port + count % scenario.flows
                numbers[count % 2].append(self.send(count % 2, port))
            time.sleep(0.0005)
        return numbers


@contextlib.contextmanager
def counting(backend, path):
    """dumpcap, which stands on libpcap, writes what reaches the backend."""
    wanted = f"udp and dst port {PORT_AT_BACKEND} and dst host {backend4(1)}"
    process = backend.spawn("dumpcap", "-q", "-P", "-B", "16", "-i", "eth0", "-f", wanted, "-w", path)
    try:
        eventually(lambda: path.exists() and path.stat().st_size >= 24, "dumpcap listens")
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def counted(path) -> Dict[int, float]:
    """When each number was seen first, at the latest."""
    seen: Dict[int, float] = {}
    reader = RawPcapReader(str(path))
    unit = 1e-9 if reader.nano else 1e-6
    for frame, meta in reader:
        ip_bytes = int.from_bytes(frame[16:18], "big")  # the frame may be padded
        number = int.from_bytes(frame[14 + ip_bytes - 8 : 14 + ip_bytes], "big")
        seen.setdefault(number, meta.sec + (meta.usec + 1) * unit)
    return seen


def excess(scenario: Scenario, sent: List[float], seen: List[float]) -> float:
    """By how many packets a window has more than rate * t + burst; below 0: none has. A packet was let through after it
    was sent and before it was seen: so all that lies between the sending of one and the sight of a later one was, in
    that time."""
    latest, best, most = 0.0, float("-inf"), float("-inf")
    for i, (begin, end) in enumerate(zip(sent, seen)):
        latest = max(latest, end - sent[0])
        best = max(best, scenario.rate * (begin - sent[0]) - i)
        most = max(most, i + 1 + best - scenario.rate * latest - scenario.burst)
    return most


def one_bucket(scenario: Scenario, sent: List[float]) -> int:
    """What a bucket of half the burst, which is filled at the rate, would have let through at these times: less than
    the whole one, as a machine that others use delays what fills up."""
    tokens, admitted, before = float(scenario.burst), 0, sent[0] if sent else 0.0
    for now in sent:
        tokens = max(tokens, min(scenario.burst / 2, tokens + (now - before) * scenario.rate))
        before = now
        if tokens >= 1:
            tokens, admitted = tokens - 1, admitted + 1
    return admitted


@pytest.fixture
def one_backend(lab, gateway):
    """The configuration with a service whose only backend is the first, and a client of two addresses."""
    lab.client.ip("address", "add", SOURCES[1] + "/24", "dev", "eth0")
    config = copy.deepcopy(gateway.config)
    config["pools"].append({"name": "one", "backends": [{"address": backend4(1), "port": PORT_AT_BACKEND}]})
    service = next(one for one in config["services"] if one["name"] == SERVICE.name)
    service["pool"] = "one"
    yield gateway, config, service
    lab.client.ip("address", "del", SOURCES[1] + "/24", "dev", "eth0")


def refused(gateway) -> int:
    return gateway.call("drops.get")["rate_limited"]


def await_workers(gateway) -> None:
    """Returns once every worker works with the newest tables: with these it answers what would become of a packet."""
    time.sleep(0.02)  # tables follow each other that long apart at least
    for port in range(2000, 2016):
        gateway.call("trace.explain", source=CLIENT4, source_port=port, destination=SERVICE.vip,
                     destination_port=SERVICE.port, protocol="udp")  # fmt: skip


def await_quiet(gateway) -> None:
    """Returns once nothing waits in a queue any more, as it may where others use the CPUs."""

    def moved():
        return gateway.call("stats.get")["received_packets"]

    before = -1
    while (now := moved()) != before:
        before = now
        time.sleep(0.05)


class Played(NamedTuple):
    """What became of a scenario."""

    scenario: Scenario
    numbers: List[List[int]]  # of each source
    refusals: int


def play(scenario: Scenario, generator: Generator, gateway, config, service) -> Played:
    for limits in ({}, scenario.limits):  # else a limit that stays as it was keeps its bucket
        service["limits"] = limits
        gateway.call("config.apply", config=config)
    await_workers(gateway)
    before = refused(gateway)
    numbers = generator.play(scenario)
    await_workers(gateway)
    await_quiet(gateway)
    return Played(scenario, numbers, refused(gateway) - before)


def test_limits_keep_to_both_inequalities_in_random_scenarios(lab, one_backend, tmp_path):
    """A scenario in which something was let through late is played again."""
    generator, seen = Generator(lab), {}
    played, to_play = {}, list(range(SCENARIOS))
    for attempt in range(ATTEMPTS):
        file = tmp_path / f"seen{attempt}.pcap"
        with counting(lab.topology.backends["b1"], file):
            for number in to_play:
                played[number] = play(Scenario.drawn(number), generator, *one_backend)
            time.sleep(0.3)
        seen.update(counted(file))
        late = {one for one, when in seen.items() if when - generator.sent[one] > LATE_SECONDS}
        to_play = [number for number in to_play if late.intersection(itertools.chain(*played[number].numbers))]
        if not to_play:
            break
    assert not to_play, f"something was late each time: {[played[number].scenario for number in to_play]}"
    most, let_through, due = float("-inf"), 0, 0
    for number, (scenario, numbers, refusals) in played.items():
        lost = sum(map(len, numbers)) - sum(one in seen for one in itertools.chain(*numbers)) - refusals  # by kernels
        for group in numbers if scenario.per_source else [sorted(itertools.chain(*numbers))]:
            through = [one for one in group if one in seen]
            over = excess(scenario, [generator.sent[one] for one in through], [seen[one] for one in through])
            assert over <= scenario.rate * LOST_SECONDS, (number, scenario, len(group), len(through), refusals, over)
            least = one_bucket(scenario, [generator.sent[one] for one in group])
            if scenario.burst >= scenario.rate * 0.2:
                assert len(through) >= 0.98 * least - lost - 1, (number, scenario, len(through), least, lost)
            most, let_through, due = max(most, over), let_through + len(through), due + least
    print(f"{len(played)} scenarios: {len(generator.sent)} sent, {let_through} let through, {due} by half the bursts; "
          f"the fullest window has {most:.1f} packets more than it may")
