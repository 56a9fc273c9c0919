"""End to end over memif: a generator in a second process on the other CPU, and the worker beside DPDK's l3fwd
(exact match), which looks each packet's five-tuple up and rewrites its MAC addresses."""

import contextlib
import functools
import pathlib
import shutil
import subprocess
from typing import Callable, Iterator, List

from devices_under_test import MAIN_CPU, PERF, WORKER_CPU, Program, TakesTurns, Testpmd, eal_arguments, testpmd, worker
from machine import huge_pages
from measure import Measurement, Row, Wish, take_turns
from processes import eventually

L3FWD_SOURCES = pathlib.Path("/usr/share/dpdk/examples")  # from Debian's dpdk-doc
FLOWS = 1024
BUFFERS, DATA_ROOM, MEGABYTES = 32768, 2048, 384
L3FWD_MEGABYTES = 768  # its tables have room for four million flows
# What is demanded of each mode. Not dnat: flowgen's flows differ in their destination alone, and behind one backend
# the replies to all of them would bear the same addresses and ports.
FORWARDS = ("full-nat", "ipip", "gue", "direct")
TARGET = 1.1


class L3fwd(Program):
    """The example of DPDK as Debian ships it, but for an offload that no virtual device has. It has one lcore: with two
    it would want two transmit queues, and sends on the second."""

    working_thread = "l3fwd"

    def await_start(self) -> None:
        self.lines_until("softly parse packet type")


class Loop(TakesTurns):
    """A device under test and what feeds it: packets count once they are back at the generator."""

    def __init__(self, device: Program, generator: Testpmd):
        self._device = device
        self._generator = generator

    def packets(self) -> int:
        return self._generator.packets()

    def cpu_ns(self) -> int:
        return self._device.cpu_ns()

    def pause(self) -> None:
        self._generator.pause()
        self._device.pause()

    def resume(self) -> None:
        self._device.resume()
        self._generator.resume()


def build_l3fwd() -> pathlib.Path:
    """Compiles it for this CPU; once for a build directory."""
    directory = PERF / "peers"
    program = directory / "l3fwd" / "build" / "l3fwd"
    if not program.exists():
        if not (L3FWD_SOURCES / "l3fwd").exists():
            raise RuntimeError("l3fwd's sources are not there: install dpdk-doc")
        for part in ("l3fwd", "common"):
            shutil.copytree(L3FWD_SOURCES / part, directory / part, dirs_exist_ok=True)
        main = directory / "l3fwd" / "main.c"
        main.write_text(main.read_text().replace("RTE_ETH_RX_OFFLOAD_CHECKSUM", "0"))
        # LDFLAGS stand behind the -march of DPDK's own flags.
        subprocess.run(["make", "-C", directory / "l3fwd", "LDFLAGS=-march=native"], check=True, capture_output=True)
    return program


def rules(directory: pathlib.Path) -> List[str]:
    """l3fwd's arguments that make every flow of the generator a known one."""
    known = directory / "l3fwd-4.cfg"
    known.write_text("".join(f"R10.253.{i >> 8}.{i & 255} 10.254.0.0 1001 1000 0x11 0\n" for i in range(FLOWS)))
    other = L3FWD_SOURCES / "l3fwd" / "em_default_v6.cfg"
    return ["--lookup=em", f"--rule_ipv4={known}", f"--rule_ipv6={other}"]


def l3fwd(eal: List[str], vdev: str, directory: pathlib.Path) -> L3fwd:
    program = str(build_l3fwd())
    return L3fwd(["stdbuf", "--output=L", program, *eal, "--vdev", vdev, "--",
                  "-p", "0x1", "-P", "--config=(0,0,0)", "--parse-ptype", *rules(directory)])  # fmt: skip


def rows(forward: str, wish: Wish) -> Iterator[Row]:
    """One forwarding mode, both devices with a generator of their own."""
    duty = [forward, "maglev", "udp", 4, 1 << 20, 100, "flowgen", "poll", "none"]
    with contextlib.ExitStack() as stack:
        huge = stack.enter_context(huge_pages(3 * MEGABYTES + L3FWD_MEGABYTES))

        def loop(name: str, start: Callable[[str], Program]) -> Loop:
            socket = wish.scratch / f"{forward}-{name}.sock"
            device = stack.enter_context(start(f"net_memif0,role=server,socket={socket},socket-abstract=no"))
            eventually(socket.exists, f"{name} listens")
            feed = testpmd(
                eal_arguments(name + "-generator", MEGABYTES, huge, f"0@{MAIN_CPU},1@{MAIN_CPU}"),
                f"net_memif0,role=client,socket={socket},socket-abstract=no", "flowgen", BUFFERS, DATA_ROOM,
                f"--flowgen-flows={FLOWS}",
            )  # fmt: skip
            whole = Loop(device, stack.enter_context(feed))
            eventually(lambda: whole.packets() > 0, f"packets come back from {name}", 20)
            whole.pause()
            return whole

        eal = eal_arguments("worker", MEGABYTES, huge)
        other = eal_arguments("l3fwd", L3FWD_MEGABYTES, huge, f"0@{WORKER_CPU}")
        ours = loop("worker", lambda vdev: worker(eal, vdev, BUFFERS, DATA_ROOM, duty))
        theirs = loop("l3fwd", lambda vdev: l3fwd(other, vdev, wish.scratch))
        samples = take_turns((lambda: ours.mpps(wish.seconds), lambda: theirs.mpps(wish.seconds)), wish.rounds)
    row = Row("memif", f"{forward}/{FLOWS} flows", "Mpps", samples[0], "l3fwd, exact match",
              samples[1], command="testpmd flowgen over net_memif, 64 bytes")  # fmt: skip
    yield row.demand_ratio(TARGET)


def measurements(wish: Wish) -> Iterator[Measurement]:
    for forward in FORWARDS:
        yield Measurement("memif", f"{forward}/{FLOWS} flows", functools.partial(rows, forward, wish))
