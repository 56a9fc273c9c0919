"""Golden cases: frames in, frames expected out, the gateway between them on net_pcap ports.

A case is a folder of tests/golden with `sluice.yaml` (what the case needs; devices, memory and sockets
are added here) and `gen.py`, whose `build(case)` names the frames to send and the frames to expect, made
with scapy after the interface's text.
"""

import functools
import importlib.util
import json
import pathlib
import struct
import subprocess
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Sequence, Set, Tuple

import yaml
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Packet
from scapy.utils import PcapReader

import maglev
import steering
from frames import has_right_checksums, is_announcement, is_listener_report, masked, network, parsed, source_port, tagged
from gateway import HASH_KEY, boot_section, run_until_idle
from processes import SLUICECTL

# More frames than a worker takes from all its ports in one turn, so that what follows them on one port
# is received after what comes first on another.
_LATER_FRAMES = 512


class Expectation(NamedTuple):
    """One frame that has to leave by a port: equal to `frame` but for what `free` masks out."""

    text: str
    frame: Optional[Packet]
    free: Sequence[Callable[[Packet], None]]
    bind: Optional[str]
    stable: Optional[Any]
    predicate: Optional[Callable[[Packet], bool]]


ANY = -1  # a number of drops above 0 that only the gateway knows


class Case:
    """The frames and counters of one case."""

    def __init__(self, directory: pathlib.Path):
        self.directory = directory
        self.config: Dict[str, Any] = yaml.safe_load((directory / "sluice.yaml").read_text())
        self.ports = [port["name"] for port in self.config["ports"]]
        self.sent: Dict[str, List[Any]] = {port: [] for port in self.ports}
        self.expected: Dict[str, List[Expectation]] = {port: [] for port in self.ports}
        self.tolerated: Dict[str, List[Callable[[Packet], bool]]] = {port: [] for port in self.ports}
        self.ignored: Set[str] = set()
        self.drops: Dict[str, int] = {}
        self.secrets: Dict[str, str] = {}  # files beside the configuration, which names their folder `@here@`
        self.idle_seconds = 1.0
        self.hears_reports = False  # MLD reports of the gateway are compared too

    def send(self, port: str, *frames: Any) -> None:
        """Frames (scapy's or bytes) that arrive at a port, in this order."""
        self.sent[port] += frames

    def later(self, port: str) -> None:
        """What is sent at this port from now on arrives after all that was sent at the others so far."""
        filler = Ether(src="02:00:00:00:ff:ff", dst=self.mac(port)) / IP(src="192.0.2.1", dst="192.0.2.2")
        if "vlan" in (wanted := self._port(port)):
            filler = tagged(filler, wanted["vlan"])
        self.sent[port] += [bytes(filler / UDP(sport=9, dport=9))] * _LATER_FRAMES
        self.expect_drops(no_service=_LATER_FRAMES)

    def expect(
        self,
        port: str,
        frame: Packet,
        free: Sequence[Callable] = (),
        bind: Optional[str] = None,
        stable: Optional[Any] = None,
    ) -> None:
        """A frame that has to leave. `bind` names a source port that the gateway chooses: the same name is
        always the same port, another name another port. `stable`: the same name, the same port."""
        self.expected[port].append(Expectation(frame.summary(), frame, free, bind, stable, None))

    def expect_where(self, port: str, text: str, predicate: Callable[[Packet], bool]) -> None:
        """A frame of which only `predicate` is known."""
        self.expected[port].append(Expectation(text, None, (), None, None, predicate))

    def tolerate(self, port: str, predicate: Callable[[Packet], bool]) -> None:
        """Frames that may leave besides, as often as the gateway likes."""
        self.tolerated[port].append(predicate)

    def ignore(self, port: str) -> None:
        """Whatever leaves by this port is nothing to this case."""
        self.ignored.add(port)

    def expect_drops(self, **reasons: int) -> None:
        """Drops to be counted, or ANY; every reason that is not named has to stay at 0."""
        for reason, count in reasons.items():
            self.drops[reason] = count if count == ANY else self.drops.get(reason, 0) + count

    def mac(self, port: str) -> str:
        """The MAC address of a port."""
        return self._port(port)["mac"]

    def _port(self, name: str) -> Dict[str, Any]:
        return next(port for port in self.config["ports"] if port["name"] == name)

    def backend(self, service: str, source: str, source_port: int, **packet: Any) -> maglev.Backend:
        """The backend that the Maglev rule names for a new flow; `packet` may give the destination's
        address or port where the service has many."""
        wanted = next(s for s in self.config["services"] if s["name"] == service)
        protocol = maglev.TCP if wanted["protocol"] == "tcp" else maglev.UDP
        address, port = packet.get("address", wanted["address"]), packet.get("port", wanted["port"])
        flow = (source, source_port, address, port, protocol)
        routes = [steering.Route(r["source"], _split_of(r)) for r in wanted.get("routes", [])]
        name = steering.pool_of_flow(HASH_KEY, flow, _split_of(wanted), routes, wanted.get("policy"))
        pool = next(p for p in self.config["pools"] if p["name"] == name)
        listed = tuple(maglev.Backend(b["address"], b.get("port", 0), b.get("weight", 1)) for b in pool["backends"])
        table = _table(listed, protocol, pool.get("table_size"))
        if wanted.get("policy") == "source-hash":
            return table[maglev.source_hash(HASH_KEY, source) % len(table)]
        return table[maglev.flow_hash(HASH_KEY, *flow) % len(table)]


@functools.lru_cache(maxsize=None)
def _table(listed: Tuple[maglev.Backend, ...], protocol: int, size: Optional[int]) -> List[maglev.Backend]:
    return maglev.build_table(HASH_KEY, listed, protocol, size)


def _split_of(chooser: Dict[str, Any]) -> steering.Split:
    """The pools of a service or a route, and their weights."""
    if "pool" in chooser:
        return [(chooser["pool"], 1)]
    return [(share["pool"], share.get("weight", 1)) for share in chooser["split"]]


class Comparison:
    """Compares frames with expectations; what a frame is under some masks it finds out once."""

    def __init__(self) -> None:
        self._bytes: Dict[Tuple[int, Tuple[Callable, ...]], Optional[bytes]] = {}

    def matches(self, frame: Packet, expectation: Expectation) -> bool:
        if expectation.predicate:
            return expectation.predicate(frame)
        masks = (*expectation.free, *([source_port] if expectation.bind else []))
        wanted = self._masked(expectation.frame, masks)
        return wanted is not None and self._masked(frame, masks) == wanted

    def _masked(self, frame: Packet, masks: Tuple[Callable, ...]) -> Optional[bytes]:
        key = (id(frame), masks)  # frames outlive the comparison
        if key not in self._bytes:
            try:
                self._bytes[key] = masked(frame, masks)
            except (IndexError, AttributeError):
                self._bytes[key] = None  # another kind of packet than the masks are for
        return self._bytes[key]


class Outcome(NamedTuple):
    """What a run of the gateway left behind; its own announcements and MLD reports are not among `transmitted`."""

    status: int
    log: str
    transmitted: Dict[str, List[Packet]]
    drops: Dict[str, int]


def load(directory: pathlib.Path) -> Case:
    """Builds the case of a folder by its gen.py."""
    spec = importlib.util.spec_from_file_location(f"golden_{directory.name}", directory / "gen.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    case = Case(directory)
    module.build(case)
    return case


def write_pcaps(case: Case, target: pathlib.Path) -> None:
    """PORT.rx.pcap is what the gateway receives; PORT.expect.pcap is for a reader with tshark."""
    for port in case.ports:
        frames = [e.frame for e in case.expected[port] if e.frame is not None]
        for suffix, content in (("rx", case.sent[port]), ("expect", frames)):
            _write_pcap(target / f"{port}.{suffix}.pcap", content)


def _write_pcap(path: pathlib.Path, frames: Iterable[Any]) -> None:
    """Some cases have half a million frames, for which scapy's writer takes seconds."""
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for frame in frames:
            raw = bytes(frame)
            file.write(struct.pack("<IIII", 0, 0, len(raw), len(raw)) + raw)


def run_case(case: Case, target: pathlib.Path, http_port: int) -> Outcome:
    """Runs the gateway over the case's frames in `target` until it has been idle for as long as the case has it."""
    write_pcaps(case, target)
    _write_config(case, target, {"socket": str(target / "control.sock"), "mode": "0600"}, f"127.0.0.1:{http_port}")
    environment = {"RUNTIME_DIRECTORY": str(target), "PATH": "/usr/bin:/bin"}
    ended = run_until_idle(target, sum(map(len, case.sent.values())), case.idle_seconds, env=environment)
    return Outcome(ended.status, ended.log, _transmitted(case, target), ended.drops)


def simulate_case(case: Case, target: pathlib.Path) -> Outcome:
    """The same by `sluicectl simulate`, as nobody in particular."""
    write_pcaps(case, target)
    _write_config(case, target, {"socket": str(target / "none"), "mode": "0600"}, "")
    command = [str(SLUICECTL), "-o", "json", "simulate", "--config", "sluice.yaml"]
    for port in case.ports:
        command += ["--in", f"{port}={port}.rx.pcap", "--out", f"{port}={port}.tx.pcap"]
    command += ["--until", f"{case.idle_seconds * 1000:.0f}ms"]
    ended = subprocess.run(command, cwd=target, capture_output=True, text=True, timeout=300)
    (target / "report.json").write_text(ended.stdout)
    drops = json.loads(ended.stdout)["drops"] if ended.returncode == 0 else {}
    return Outcome(ended.returncode, ended.stderr, _transmitted(case, target), drops)


def _write_config(case: Case, target: pathlib.Path, control: Dict[str, str], listen: str) -> None:
    config = {
        **case.config,
        "gateway": boot_section(case.directory.name, **case.config.get("gateway", {})),
        "ports": [
            {
                **port,
                "device": f"net_pcap{index},rx_pcap={target}/{port['name']}.rx.pcap,"
                f"tx_pcap={target}/{port['name']}.tx.pcap",
            }
            for index, port in enumerate(case.config["ports"])
        ],
        "control": control,
        "http": {"listen": listen},
    }
    for name, text in case.secrets.items():
        (target / name).touch(0o600)
        (target / name).write_text(text)
    (target / "sluice.yaml").write_text(yaml.safe_dump(config, sort_keys=False).replace("@here@", str(target)))


def _transmitted(case: Case, target: pathlib.Path) -> Dict[str, List[Packet]]:
    """What left by the ports, but for announcements, and MLD reports where the case does not hear them."""
    compared = [port for port in case.ports if port not in case.ignored]
    transmitted = {port: _read(target / f"{port}.tx.pcap") for port in compared}
    if not case.hears_reports:
        for port, frames in transmitted.items():
            transmitted[port] = [frame for frame in frames if not is_listener_report(frame)]
    return transmitted


def _read(path: pathlib.Path) -> List[Packet]:
    if not path.exists() or path.stat().st_size == 0:
        return []
    with PcapReader(str(path)) as reader:
        frames = [parsed(bytes(frame)) for frame in reader]
    return [frame for frame in frames if not is_announcement(frame)]


def differences(case: Case, outcome: Outcome) -> List[str]:
    """What the gateway did otherwise than expected, one line or more each."""
    found = []
    for port, frames in outcome.transmitted.items():
        found += _frame_differences(port, case.expected[port], frames, case.tolerated[port])
    counted = {reason: count for reason, count in outcome.drops.items() if count}
    if {r: ANY if case.drops.get(r) == ANY else count for r, count in counted.items()} != case.drops:
        found.append(f"drops: expected {case.drops}, counted {counted}")
    if outcome.status != 0:
        found.append(f"it left with status {outcome.status}")
    return found


def _frame_differences(
    port: str, expected: List[Expectation], frames: List[Packet], tolerated: List[Callable[[Packet], bool]]
) -> List[str]:
    left = list(frames)
    missing, matched = [], []
    comparison = Comparison()
    for expectation in expected:
        match = next((frame for frame in left if comparison.matches(frame, expectation)), None)
        if match is None:
            missing.append(f"missing: {_describe(expectation.text, expectation.frame)}")
            continue
        left = [frame for frame in left if frame is not match]
        matched.append((expectation, match))
        if (not expectation.frame or expectation.bind or expectation.free) and not has_right_checksums(match):
            missing.append(f"wrong checksum: {_describe(match.summary(), match)}")
    left = [frame for frame in left if not any(allowed(frame) for allowed in tolerated)]
    missing += [f"unexpected: {_describe(frame.summary(), frame)}" for frame in left[:10]]
    return [f"{port}: {line}" for line in missing + _port_faults(matched)]


def _describe(text: str, frame: Optional[Packet]) -> str:
    return f"{text}\n    {Ether(bytes(frame))!r}" if frame is not None else text


def _port_faults(matched: List[Tuple[Expectation, Packet]]) -> List[str]:
    """A name is one source port; two bound names towards one endpoint are two, and none a system port."""
    by_name: Dict[Any, int] = {}
    owners: Dict[Any, str] = {}
    faults = []
    for expectation, frame in matched:
        name = expectation.bind or expectation.stable
        if name is None:
            continue
        header = network(frame)
        chosen = header.payload.sport
        if by_name.setdefault(name, chosen) != chosen:
            faults.append(f"{name!r} had source port {by_name[name]}, now {chosen}")
        if not expectation.bind:
            continue
        tuple5 = (type(header.payload), header.src, chosen, header.dst, header.payload.dport)
        if owners.setdefault(tuple5, expectation.bind) != expectation.bind:
            faults.append(f"{name} and {owners[tuple5]} share {tuple5}")
        if chosen < 1024:
            faults.append(f"{name} has system port {chosen}")
    return faults
