"""What seeing costs: dropped packets that are remembered, captures, and /metrics of a large configuration with changes
meanwhile. Records of flows have a file of their own."""

import functools
import json
import pathlib
import re
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
from typing import Any, Dict, Iterator, List

from control import Control
from devices_under_test import WORKER_CPU, eal_arguments, worker
from gateway import Gateway, boot_section
from gateway import eal_arguments as gateway_eal_arguments
from growth import apply_ms
from machine import huge_pages
from measure import Measurement, Row, Wish, take_turns
from pipeline import Case, capture, duty, meet_every_flow
from processes import SLUICECTL, eventually, spawn
from units import samples

CLIENT_MAC, EDGE_MAC, CORE_MAC, BACKEND_MAC = (bytes.fromhex(f"02000000000{digit}") for digit in "1234")
VIP, BACKEND = "203.0.113.10", "198.18.20.11"
PATIENCE = 60
POOLS, EACH = 1000, 100


def mac_text(mac: bytes) -> str:
    return mac.hex(":")


def frame(source: int, port: int, service_port: int = 80) -> bytes:
    """An empty UDP datagram from 198.51.0.0/16, without a checksum of its own."""
    header = bytearray(struct.pack("!BBHHHBBH", 0x45, 0, 28, 0, 0, 64, 17, 0))
    header += bytes((198, 51, source >> 8 & 255, source & 255)) + socket.inet_aton(VIP)
    words = sum(struct.unpack("!10H", header))
    words = (words & 0xFFFF) + (words >> 16)
    header[10:12] = struct.pack("!H", ~((words & 0xFFFF) + (words >> 16)) & 0xFFFF)
    packet = EDGE_MAC + CLIENT_MAC + b"\x08\x00" + header + struct.pack("!HHHH", port, service_port, 8, 0)
    return packet.ljust(60, b"\x00")


def configuration(device: str, **more: Any) -> Dict[str, Any]:
    """Two UDP services over one backend, on a device that receives; what leaves is gone."""
    ports = (("edge0", device, EDGE_MAC, "198.18.10.1/24"), ("core0", "net_null1,no-rx=1", CORE_MAC, "198.18.20.1/24"))
    return {
        "gateway": boot_section("bench", workers=[WORKER_CPU], idle="poll", flow_table_entries=1 << 20),
        "ports": [{"name": n, "device": d, "mac": mac_text(m), "addresses": [a]} for n, d, m, a in ports],
        "neighbors": [{"address": BACKEND, "mac": mac_text(BACKEND_MAC)}],
        "pools": [{"name": "web", "backends": [{"address": BACKEND}]}],
        "services": [
            {"name": f"web-{port}", "address": VIP, "port": port, "protocol": "udp", "forward": "direct", "pool": "web",
             "idle_timeout": {"udp": "1s"}}
            for port in (80, 81)
        ],
        "log": {"level": "info", "format": "text"},
        **more,
    }  # fmt: skip


def of_drops(wish: Wish) -> Iterator[Row]:
    """Remembering a dropped packet."""
    for name, times in samples("drop_recorder_bench", "", wish).items():
        words = name.removeprefix("remember/").replace("_", " ")
        row = Row("operation", f"drop recorder, {words}", "ns", times, more_is_better=False, command="drop_recorder_bench")
        yield row.demand_figure(3)


def off_filter(wish: Wish) -> Iterator[Row]:
    """A worker on a device while a capture wants none of its packets, beside the same worker without."""
    case = Case()
    vdev = f"net_pcap0,rx_pcap={capture(case, wish.scratch)},infinite_rx=1"
    for text in ("tcp port 9", "host 192.0.2.99"):
        with huge_pages(2 * case.megabytes) as huge:
            eal = [eal_arguments(prefix, case.megabytes, huge) for prefix in ("watched", "unwatched")]
            with worker(eal[0], vdev, case.buffers, case.data_room, [*duty(case), text]) as ours:
                ours.pause()
                with worker(eal[1], vdev, case.buffers, case.data_room, duty(case)) as theirs:
                    theirs.pause()
                    for each in (ours, theirs):
                        meet_every_flow(each, case.flows)
                    taken = take_turns((lambda: ours.mpps(wish.seconds), lambda: theirs.mpps(wish.seconds)), wish.rounds)
        yield Row("operation", f"worker beside a capture of \"{text}\"", "Mpps", taken[0], "no capture", taken[1],
                  command="worker_replay over net_pcap").demand_ratio(0.97)  # fmt: skip


def write_pcap(file: pathlib.Path, frames: List[bytes]) -> None:
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    file.write_bytes(head + b"".join(struct.pack("<IIII", 0, 0, len(each), len(each)) + each for each in frames))


def captured(directory: pathlib.Path, matching: int, seconds: float) -> Dict[str, float]:
    """A capture by sluicectl of so many of 4096 packets that come again and again, as fast as the worker takes them."""
    directory.mkdir()
    matches = {i * 4096 // matching for i in range(matching)}
    write_pcap(directory / "rx.pcap", [frame(i >> 6, 1024 + (i & 63), 81 if i in matches else 80) for i in range(4096)])
    config = configuration(f"net_pcap0,rx_pcap={directory}/rx.pcap,infinite_rx=1")
    with Gateway(directory, config) as gateway:
        eventually(lambda: all(row["flows"] for row in gateway.call("service.list")), "packets come", PATIENCE)
        file = directory / "match.pcapng"
        command = spawn(SLUICECTL, "--socket", gateway.socket, "-o", "json", "capture", "-f", "udp dst port 81",
                        "-c", 1 << 40, "--seconds", 600, "-w", file, stdout=subprocess.PIPE)  # fmt: skip
        eventually(lambda: file.exists() and file.stat().st_size > 0, "the capture has begun", PATIENCE)
        before, began = gateway.call("stats.get")["received_packets"], time.monotonic()
        time.sleep(seconds)
        received, taken = gateway.call("stats.get")["received_packets"] - before, time.monotonic() - began
        command.send_signal(signal.SIGINT)
        end = json.loads(command.communicate(timeout=PATIENCE)[0])
        found = subprocess.run(["capinfos", "-Mc", str(file)], check=True, capture_output=True, text=True).stdout
        in_file = int(re.search(r"Number of packets:\s+(\d+)", found).group(1))
        file.unlink()
    if in_file != end["packets"]:
        raise RuntimeError(f"the file has {in_file} packets, and {end['packets']} are said to be in it")
    return {"rate": received / taken * matching / 4096, "written": 100 * end["packets"] / (end["packets"] + end["lost"])}


def of_a_capture(wish: Wish) -> Iterator[Row]:
    """What is written of a filter's matches, of which there are about a million a second, to a file in memory: what a
    disk takes is another matter."""
    seconds = 4 * wish.seconds
    matching, turns = 256, []
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="sluice-bench-") as memory:
        for turn in range(1 + wish.rounds):
            turns.append(captured(pathlib.Path(memory) / str(turn), matching, seconds if turn else min(1.0, seconds)))
            # A worker that copies more receives less: each turn tells for the next how many have to match.
            matching = max(1, min(4096, round(matching * 1e6 / max(turns[-1]["rate"], 1))))
    command = "sluicectl capture -f 'udp dst port 81' -w FILE, packets of 60 bytes over net_pcap"
    rates = [turn["rate"] / 1e6 for turn in turns[1:]]
    yield Row("operation", "capture, packets that match", "Mpps", rates, command=command)
    row = Row("operation", "capture, written of those", "%", [turn["written"] for turn in turns[1:]], command=command)
    yield row.demand_figure(99.9)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def many_backends(pools: int, each: int) -> Dict[str, Any]:
    """A service for each pool, on a port without a wire."""
    return {
        "gateway": boot_section("bench", eal=gateway_eal_arguments(1024)),
        "ports": [{"name": "edge0", "device": "net_null0,no-rx=1", "addresses": ["198.18.10.1/24"]}],
        "pools": [
            {"name": f"pool-{pool}", "table_size": 10_007,
             "backends": [{"address": f"198.19.{pool % 250}.{1 + one}", "port": 1024 + pool // 250} for one in range(each)]}
            for pool in range(pools)
        ],
        "services": [
            {"name": f"service-{pool}", "address": f"203.0.113.{pool % 250}", "port": 1024 + pool // 250,
             "protocol": "tcp", "forward": "dnat", "pool": f"pool-{pool}"}
            for pool in range(pools)
        ],
        "http": {"listen": f"127.0.0.1:{free_port()}"},
    }  # fmt: skip


def scrape(gateway: Gateway) -> float:
    """How long /metrics takes, in seconds, read and thrown away."""
    host, _, port = gateway.config["http"]["listen"].rpartition(":")
    began = time.perf_counter()
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
        connection.sendall(f"GET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        got = 0
        while piece := connection.recv(1 << 20):
            got += len(piece)
    if got < 1000:
        raise RuntimeError("/metrics has nothing to say")
    return time.perf_counter() - began


def peak_mib(pid: int) -> float:
    """The most memory that a process has had since this was asked last."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak is now what there is
    return int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) / 1024


def of_metrics(pools: int, each: int, wish: Wish) -> Iterator[Row]:
    """/metrics, and how long a change takes while it is asked for without a pause."""
    directory = wish.scratch / "metrics"
    directory.mkdir()
    scrapes, alone, meanwhile, added = [], [], [], []
    with Gateway(directory, many_backends(pools, each)) as gateway, Control(gateway.socket, timeout=PATIENCE) as control:
        config = gateway.config

        def apply() -> float:
            changing = config["pools"][0]["backends"][0]
            changing["weight"] = 3 - changing.get("weight", 1)
            return apply_ms(control, config)

        time.sleep(4 * wish.seconds)  # what its start has left to do
        peak_mib(gateway.process.pid)
        before = peak_mib(gateway.process.pid)
        for _ in range(wish.rounds):
            scrapes.append(scrape(gateway))
        added.append(peak_mib(gateway.process.pid) - before)
        apply()
        for _ in range(max(2, wish.rounds)):
            alone.append(apply())
            is_over = threading.Event()

            def ask() -> None:
                while not is_over.is_set():
                    scrape(gateway)

            asker = threading.Thread(target=ask)
            asker.start()
            time.sleep(0.05)
            meanwhile.append(apply())
            is_over.set()
            asker.join()
    of = f"/metrics, {pools * each} backends"
    yield Row("operation", of, "s", scrapes, more_is_better=False, command="GET /metrics").demand_figure(1)
    yield Row("operation", f"{of}: memory that it adds", "MiB", added, more_is_better=False,
              command="sluiced: VmHWM").demand_figure(8)  # fmt: skip
    row = Row("operation", f"{of}: an apply meanwhile", "ms", meanwhile, "nobody asks", alone, more_is_better=False,
              command="config.apply, one pool changed")  # fmt: skip
    yield row.demand_ratio(1.2)


def measurements(wish: Wish) -> Iterator[Measurement]:
    def each(name: str, take: Any, *arguments: Any) -> Measurement:
        return Measurement("operation", name, functools.partial(take, *arguments, wish))

    yield each("drop recorder", of_drops)
    yield each("off filter", off_filter)
    yield each("capture", of_a_capture)
    yield each("metrics", of_metrics, POOLS, EACH)
