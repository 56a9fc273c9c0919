#!/usr/bin/python3
"""The lab: real clients and real servers in network namespaces, and the gateway between them.

Usage: lab.py [--once]. Sends requests through every service and transactions to the ledger ingress, prints
who answered what, and keeps the lab up until Ctrl-C; --once tears it down at once. Exits 0 only if every
request was answered rightly, every transaction was stored, and the log is whole.
"""

import argparse
import collections
import pathlib
import shlex
import shutil
import signal
import socket
import sys
from typing import Any, List, NamedTuple

if __name__ == "__main__":
    sys.path.insert(1, str(pathlib.Path(__file__).parents[1] / "support"))

import maglev  # noqa: E402
from configuration import SERVICES, VIPS_ON_BACKENDS, LabService, lab_configuration, pool_backends
from gateway import HASH_KEY, Gateway
from lab_ledger import LedgerRound, show_ledger
from lab_sources import SourcesRound, show_sources
from ledger_site import ingress_section, ledger_section
from namespaces import clear_leftovers, owner_tag, work_directory
from processes import SLUICECTL
from servers import start_backends
from topology import BACKENDS, CLIENT4, CLIENT6, SNAT4, SNAT6, Topology

REQUESTS_EACH = 12
# Seconds: for what hangs. A machine that is busy elsewhere has taken more than three.
PATIENCE = 20
_END_OF_ANSWER = "-- "


class Answer(NamedTuple):
    """What one request met: who answered, whom it took for its client, from which port it was sent."""

    backend: str
    client: str
    source_port: int


class Lab:
    """Namespaces, servers and a gateway. A context manager: leaves nothing behind. A second one of the same process
    has a `name`."""

    def __init__(self, has_ledger: bool = False, name: str = "", **boot: Any):
        clear_leftovers()
        self.work = work_directory() / name
        self.work.mkdir(exist_ok=True)
        tag = f"{owner_tag()}-{name}" if name else owner_tag()
        self.topology = Topology(VIPS_ON_BACKENDS, tag)
        try:
            self.client = self.topology.client
            self.backends = start_backends(list(self.topology.backends.values()), self.work)
            config = lab_configuration(tag, **boot)
            if has_ledger:
                config["ledger"] = ledger_section(self.work, ingress=ingress_section())
            self.gateway = Gateway(self.work / "gateway", config, self.topology.gateway)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Lab":
        try:
            self.gateway.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.gateway.stop()
        self.close()

    def close(self) -> None:
        """Ends every process of the lab, deletes its namespaces and its files."""
        self.topology.remove()
        shutil.rmtree(self.work, ignore_errors=True)

    def ask(self, service: LabService, times: int = 1, patience: float = PATIENCE) -> List[Answer]:
        """Sends requests, each a flow of its own; what stays unanswered for `patience` seconds is missing from the
        result."""
        answers = (self._ask_http if service.protocol == "tcp" else self._ask_echo)(service, times, patience)
        if len(answers) < times and self.gateway.process.poll() is None:
            told = ("sluice_dropped_packets_total", "sluice_port_missed_packets_total", "sluice_worker_long_turn_seconds_sum")
            counted = {name: value for name, value in self.gateway.metrics().items() if value and name.startswith(told)}
            print(f"{service.name}: {times - len(answers)} of {times} unanswered: {counted}", file=sys.stderr)
        return answers

    def url(self, service: LabService, path: str = "/") -> str:
        """Where a client finds the service."""
        host = f"[{service.vip}]" if service.is_ipv6 else service.vip
        return f"http://{host}:{service.port}{path}"

    def _ask_http(self, service: LabService, times: int, patience: float) -> List[Answer]:
        command = ["curl", "-sS", "-m", str(patience), "-H", "Connection: close"]
        command += ["-w", f"{_END_OF_ANSWER}%{{local_port}} %{{exitcode}}\n"] + [self.url(service)] * times
        done = self.client.run(*command, check=False)
        if done.stderr:
            print(f"{service.name}: {done.stderr.strip()}", file=sys.stderr)
        answers, said = [], ""
        for line in done.stdout.splitlines():
            if not line.startswith(_END_OF_ANSWER):
                said = line
                continue
            port, status = line.removeprefix(_END_OF_ANSWER).split()
            if status == "0":
                backend, client, _ = said.split()
                answers.append(Answer(backend, client, int(port)))
        return answers

    def _ask_echo(self, service: LabService, times: int, patience: float) -> List[Answer]:
        answers = []
        for _ in range(times):
            with self.udp_socket(service) as sock:
                sock.settimeout(patience)
                sock.send(b"ping")
                try:
                    backend, client, _ = sock.recv(2048).decode().split()
                except (TimeoutError, ConnectionError):
                    continue
                answers.append(Answer(backend, client, sock.getsockname()[1]))
        return answers

    def udp_socket(self, service: LabService) -> socket.socket:
        """A client's UDP socket, connected to the service."""
        sock = self.client.udp_socket(service.vip, service.port)
        sock.settimeout(PATIENCE)
        return sock


def expected_client(service: LabService) -> str:
    """Whom a backend must take for its client."""
    if service.keeps_client_address:
        return CLIENT6 if service.is_ipv6 else CLIENT4
    return SNAT6 if service.is_ipv6 else SNAT4


def expected_backend(service: LabService, source_port: int) -> str:
    """The backend that the Maglev rule names for a new flow of the lab's client."""
    protocol = maglev.TCP if service.protocol == "tcp" else maglev.UDP
    table = _table(service.pool, protocol)
    client = CLIENT6 if service.is_ipv6 else CLIENT4
    slot = maglev.flow_hash(HASH_KEY, client, source_port, service.vip, service.port, protocol)
    return BACKENDS[pool_backends(service.pool).index(table[slot % len(table)])]


def _table(pool: str, protocol: int, known: dict = {}) -> List[maglev.Backend]:
    if (pool, protocol) not in known:
        known[pool, protocol] = maglev.build_table(HASH_KEY, pool_backends(pool), protocol)
    return known[pool, protocol]


def faults(service: LabService, answers: List[Answer], asked: int) -> List[str]:
    """What is wrong with a service's answers; empty where each is right."""
    found = []
    if len(answers) != asked:
        found.append(f"{asked - len(answers)} of {asked} requests unanswered")
    for answer in answers:
        if answer.client != expected_client(service):
            found.append(f"{answer.backend} took {answer.client} for its client")
        elif answer.backend != expected_backend(service, answer.source_port):
            found.append(f"port {answer.source_port} went to {answer.backend}, not where Maglev sends it")
    return found


def show_round(lab: Lab) -> bool:
    """Asks every service, prints the table, and says whether all was right."""
    print(f"{'service':<20} {'request':<36} {'answered':>8}  {'by':<22} client seen as")
    all_right = True
    for service in SERVICES:
        answers = lab.ask(service, REQUESTS_EACH)
        wrong = faults(service, answers, REQUESTS_EACH)
        all_right &= not wrong
        counts = collections.Counter(answer.backend for answer in answers)
        by = " ".join(f"{name}:{count}" for name, count in sorted(counts.items()))
        seen = " ".join(sorted({answer.client for answer in answers}))
        request = lab.url(service).replace("http", "udp" if service.protocol == "udp" else "http", 1)
        print(f"{service.name:<20} {request:<36} {len(answers):>5}/{REQUESTS_EACH}  {by:<22} {seen}")
        for line in sorted(set(wrong)):
            print(f"  wrong: {line}")
    return all_right


def show_commands(lab: Lab, ledger: LedgerRound, sources: SourcesRound) -> None:
    """The commands to try while the lab is up."""
    inside = f"ip netns exec {lab.client.name}"
    control = f"{SLUICECTL} --socket {lab.gateway.socket}"
    registries = "".join(f"\n  {command}" for command in sources.commands())
    print(
        f"""
The gateway stays up until Ctrl-C. To try next, in another terminal:
  {inside} curl {lab.url(SERVICES[0])}
  {inside} wrk -t1 -c16 -d5s {lab.url(SERVICES[0])}
  {control} service list
  {control} backend list
  {control} backend drain tcp4 {lab.backends[0].address4}:8080
  {control} explain --help
  {control} top
  {control} drops
  {inside} {shlex.join(ledger.submit_command())} | od -An -tx1
  {control} ledger status
  {control} ledger proof $(sha256sum <{ledger.transaction} | cut -c-64)
  {SLUICECTL} ledger verify {ledger.directory}
  {control} source list{registries}
  {control} config diff {shlex.quote(str(lab.gateway.file))}
  ip netns exec {lab.topology.gateway.name} curl http://{lab.gateway.config['http']['listen']}/metrics
Configuration: {lab.gateway.file}   log: {lab.gateway.log}
"""
    )


def show(once: bool) -> bool:
    """One round, and then the lab is the user's until Ctrl-C. Returns whether all was right."""
    with Lab(has_ledger=True) as lab:
        ledger = LedgerRound(lab.client, lab.gateway, lab.work)
        all_right = show_round(lab)
        all_right &= show_ledger(ledger)
        sources = SourcesRound(lab)
        try:
            all_right &= show_sources(sources)
            print("\neverything was answered rightly" if all_right else "\nsomething went wrong")
            if not all_right:
                print(f"the end of sluiced's log:\n{lab.gateway.tail()}")
            if not once:
                show_commands(lab, ledger, sources)
                signal.pause()
        except KeyboardInterrupt:
            print("\ntearing the lab down")
        finally:
            sources.close()
    return all_right


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--once", action="store_true", help="tear down and exit after one round")
    once = arguments.parse_args().once
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        return 0 if show(once) else 1
    except KeyboardInterrupt:
        return 130
    except (RuntimeError, TimeoutError, OSError) as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
