"""Remote control under load: what connections that stay open have answered, how long 2,000 requests a second take, and what
packets notice of them."""

import contextlib
import dataclasses
import functools
import json
import pathlib
import statistics
import subprocess
import sys
import time
from typing import Iterator, List

import credentials
from cryptography.x509.oid import NameOID
from devices_under_test import MAIN_CPU
from gateway import Gateway
from measure import Measurement, Row, Wish
from operation import configuration, frame, free_port, write_pcap
from processes import eventually, spawn, stop

CLIENT = pathlib.Path(__file__).with_name("remote_client.py")
CONNECTIONS = 8
RATE = 2000  # requests a second, of all connections together
AHEAD_SECONDS = 0.05  # between telling the clients of a turn and its beginning
PATIENCE = 60


@dataclasses.dataclass
class Turn:
    """What came of it."""

    took: List[float]  # milliseconds of each answer
    mpps: float  # what the worker received
    dropped: int  # packets


class Site:
    """A gateway whose worker receives as many packets as it can take, and clients that may look."""

    def __init__(self, directory: pathlib.Path):
        directory.mkdir()
        authority = credentials.Authority(directory / "authority")
        certificate, key = authority.server("server")
        self.port = free_port()
        self.client_files = [authority.file, *authority.issue("looker", credentials.subject((NameOID.COMMON_NAME, "looker")))]
        capture = directory / "rx.pcap"
        write_pcap(capture, [frame(i >> 6, 1024 + (i & 63)) for i in range(4096)])
        remote = {
            "listen": f"127.0.0.1:{self.port}",
            "tls": {"certificate": f"file:{certificate}", "key": f"file:{key}", "client_ca": f"file:{authority.file}"},
            "roles": [{"subject": "CN=looker", "role": "view"}],
        }
        self.gateway = Gateway(directory, configuration(f"net_pcap0,rx_pcap={capture},infinite_rx=1", remote=remote))
        self.clients: List[subprocess.Popen] = []
        self._open = contextlib.ExitStack()

    def __enter__(self) -> "Site":
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.gateway)
            eventually(lambda: self.gateway.call("stats.get")["received_packets"], "packets come", PATIENCE)
            for _ in range(CONNECTIONS):
                client = spawn("taskset", "--cpu-list", MAIN_CPU, sys.executable, CLIENT, self.port, *self.client_files,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # fmt: skip
                stack.callback(stop, client)
                self.clients.append(client)
            for client in self.clients:
                answers_of(client)
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def quiet(self, seconds: float) -> Turn:
        """Nobody asks."""
        return self._turn([], time.monotonic() + seconds)

    def busy(self, seconds: float, rate: float = 0) -> Turn:
        """So many requests a second, of the connections in turn; 0: each asks as soon as it is answered."""
        begin, apart = time.monotonic() + AHEAD_SECONDS, 1 / rate if rate else 0.0
        for place, client in enumerate(self.clients):
            client.stdin.write(f"{begin + place * apart} {seconds} {CONNECTIONS * apart}\n")
            client.stdin.flush()
        time.sleep(AHEAD_SECONDS)
        return self._turn(self.clients, begin + seconds)

    def _turn(self, asking: List[subprocess.Popen], until: float) -> Turn:
        before, began = self.gateway.call("stats.get"), time.monotonic()
        time.sleep(max(0.0, until - time.monotonic()))
        after, ended = self.gateway.call("stats.get"), time.monotonic()
        received, dropped = (after[name] - before[name] for name in ("received_packets", "dropped_packets"))
        took = [each for client in asking for each in answers_of(client)]
        return Turn(took, received / (ended - began) / 1e6, dropped)


def answers_of(client: subprocess.Popen) -> List[float]:
    line = client.stdout.readline()
    if not line:
        raise RuntimeError(f"a client of remote control left with {client.wait()}")
    return json.loads(line)


def rows(wish: Wish) -> Iterator[Row]:
    seconds = 4 * wish.seconds
    quiet, paced, fast = [], [], []
    with Site(wish.scratch / "remote") as site:
        site.busy(seconds)  # the first turn of each end counts for nothing
        for _ in range(wish.rounds):
            quiet.append(site.quiet(seconds))
            paced.append(site.busy(seconds, RATE))
            fast.append(site.busy(seconds))
    command = f"service.list by POST /rpc, TLS 1.3 with client certificates, {CONNECTIONS} connections on the loopback"
    name = "remote control"
    answered = [len(turn.took) / seconds for turn in fast]
    yield Row(name, "requests, each after the last one's answer", "/s", answered, command=command).demand_figure(RATE)
    late = [statistics.quantiles(turn.took, n=100)[98] for turn in paced]
    row = Row(name, f"p99 of {RATE} requests a second", "ms", late, more_is_better=False, command=command)
    yield row.demand_figure(20)
    row = Row(name, f"worker beside {RATE} requests a second", "Mpps", [turn.mpps for turn in paced],
              "nobody asks", [turn.mpps for turn in quiet], command=command)  # fmt: skip
    yield row.demand_ratio(0.97)
    lost = [turn.dropped for turn in paced]
    row = Row(name, "packets dropped meanwhile", "packets", lost, more_is_better=False, command=command)
    yield row.demand_figure(0)


def measurements(wish: Wish) -> Iterator[Measurement]:
    yield Measurement("remote control", "requests", functools.partial(rows, wish))
