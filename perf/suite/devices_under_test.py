"""The two that are compared packet by packet: the worker, and DPDK's own testpmd, each on its own device of
the same kind and one thread on the same CPU. Between its turns each is stopped (SIGSTOP)."""

import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from typing import List, Type

from measure import cpu_ns, thread_named
from processes import BUILD, die_with_parent, eventually

PERF = BUILD / "perf"
WORKER_CPU = max(os.sched_getaffinity(0))
MAIN_CPU = min(os.sched_getaffinity(0))
WARM_UP_SECONDS = 0.1
PATIENCE_SECONDS = 60  # for a turn, on a machine that others use
ANSWER_SECONDS = 60  # the first answer comes when a large capture has been read


COMMANDING_AND_WORKING = f"0@{MAIN_CPU},1@{WORKER_CPU}"


def eal_arguments(prefix: str, megabytes: int, huge: bool, lcores: str = COMMANDING_AND_WORKING) -> List[str]:
    """What all programs have in common."""
    memory = ["--in-memory"] if huge else ["--no-huge", "--no-shconf"]
    return [
        "--lcores", lcores, "--no-pci", "--no-telemetry", "--log-level=err",
        "--file-prefix", f"sluice-perf-{prefix}", "-m", str(megabytes), *memory,
    ]  # fmt: skip


class TakesTurns:
    """Forwards packets while it is its turn, on the CPU time of one thread."""

    def packets(self) -> int:
        """Packets forwarded so far."""
        raise NotImplementedError

    def cpu_ns(self) -> int:
        """How long the forwarding thread has been on its CPU."""
        raise NotImplementedError

    def pause(self) -> None:
        raise NotImplementedError

    def resume(self) -> None:
        raise NotImplementedError

    def check(self) -> None:
        """Raises if packets were lost that should have been forwarded."""

    def mpps(self, seconds: float) -> float:
        """One turn: millions of packets for each second that the forwarding thread was on its CPU, over so many
        of these seconds."""
        self.resume()
        time.sleep(WARM_UP_SECONDS)
        before_packets, before_ns = self.packets(), self.cpu_ns()
        eventually(lambda: self.cpu_ns() - before_ns >= seconds * 1e9, "the thread gets its CPU", PATIENCE_SECONDS)
        after_packets, after_ns = self.packets(), self.cpu_ns()
        self.pause()
        self.check()
        return (after_packets - before_packets) * 1e3 / (after_ns - before_ns)


class Program(TakesTurns):
    """A DPDK program with one working lcore, stopped (SIGSTOP) between its turns."""

    working_thread = "rte-worker-1"

    def __init__(self, command: List[str]):
        self.command = " ".join(command)
        self._errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True, bufsize=1,
            preexec_fn=die_with_parent,
        )  # fmt: skip
        self.await_start()
        self._thread = thread_named(self.process.pid, self.working_thread)

    def await_start(self) -> None:
        """Returns once it forwards."""
        self.packets()

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, *_: object) -> None:
        self.resume()
        self.process.kill()
        self.process.wait()

    def lines_until(self, wanted: str) -> str:
        """What it prints up to the line that matches; raises if it leaves before."""
        text = ""
        deadline = threading.Timer(ANSWER_SECONDS, self.process.kill)
        deadline.start()
        try:
            for line in self.process.stdout:
                text += line
                if re.search(wanted, line):
                    return text
        finally:
            deadline.cancel()
        self._errors.seek(0)
        errors = self._errors.read()
        first = errors.partition("\n")[0] or "without a word"
        raise RuntimeError(f"{type(self).__name__} left before it answered: {first}\n{self.command}\n{text}{errors}")

    def cpu_ns(self) -> int:
        return cpu_ns(self.process.pid, self._thread)

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)


class Worker(Program):
    """perf/worker_replay: a worker without the control thread."""

    def packets(self) -> int:
        return self.answer()[0]

    def answer(self) -> List[int]:
        """Received, transmitted and dropped packets, and busy cycles."""
        self.process.stdin.write("\n")
        return [int(word) for word in self.lines_until(r"^\d+ \d+ \d+ \d+$").split()]

    def check(self) -> None:
        self.resume()
        received, transmitted, dropped, _ = self.answer()
        self.pause()
        if dropped or received - transmitted > 4096:
            raise RuntimeError(f"{received} received, {transmitted} sent, {dropped} dropped: {self.command}")


class Refusing(Worker):
    """A worker that is to drop what it receives, but for a packet now and then."""

    admitted_before = 0  # by bursts of limits that were still full

    def meet_every_client(self, clients: int) -> None:
        """Each has spent the burst that it may begin with, before anything is measured."""
        self.resume()
        eventually(lambda: self.packets() >= 2 * clients, "every client has come twice", PATIENCE_SECONDS)
        self.pause()
        self.admitted_before = self._admitted()

    def _admitted(self) -> int:
        self.resume()
        received, _, dropped, _ = self.answer()
        self.pause()
        self._received = received
        return received - dropped

    def check(self) -> None:
        admitted = self._admitted() - self.admitted_before
        if admitted > 4096 + self._received // 1000:
            raise RuntimeError(f"{self._received} received, {admitted} not dropped: {self.command}")


class Testpmd(Program):
    """dpdk-testpmd in one of its forwarding modes."""

    def packets(self) -> int:
        self.process.stdin.write("show port stats 0\n")
        return int(re.search(r"RX-packets:\s+(\d+)", self.lines_until("Tx-pps")).group(1))


def testpmd(eal: List[str], vdev: str, mode: str, buffers: int, data_room: int, *more: str) -> Testpmd:
    """testpmd on one device, with as many buffers of the same size as the worker has."""
    return Testpmd([
        "stdbuf", "--output=L", "dpdk-testpmd", *eal, "--vdev", vdev, "--", "-i", "--auto-start", f"--forward-mode={mode}",
        "--no-flush-rx", "--no-mlockall", f"--total-num-mbufs={buffers}", f"--mbuf-size={data_room + 128}",
        "--rxd=1024", "--txd=1024", *more,
    ])  # fmt: skip


def worker(
    eal: List[str], vdev: str, buffers: int, data_room: int, duty: List[object], kind: Type[Worker] = Worker
) -> Worker:
    """The worker on one device. `duty`: what follows the data room on worker_replay's command line."""
    return kind([str(part) for part in (PERF / "worker_replay", *eal, "--", vdev, buffers, data_room, *duty)])
