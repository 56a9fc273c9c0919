"""The google-benchmark programs: their own interleaving and repetitions, and the rows that have targets."""

import json
import pathlib
import subprocess
import tempfile
from typing import Callable, Dict, Iterator, List

from devices_under_test import PERF, WORKER_CPU
from machine import huge_pages
from measure import Row

HUGE_MEGABYTES = 128


def samples(program: str, wanted: str, rounds: int, seconds: float) -> Dict[str, List[float]]:
    """CPU nanoseconds for each item (or each iteration, where none is counted), by benchmark."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        subprocess.run(
            ["taskset", "--cpu-list", str(WORKER_CPU), str(PERF / program), f"--benchmark_filter={wanted}",
             f"--benchmark_min_time={seconds}", f"--benchmark_repetitions={rounds}",
             "--benchmark_enable_random_interleaving=true", f"--benchmark_out={file.name}"],
            check=True, capture_output=True,
        )  # fmt: skip
        return _by_name(json.loads(pathlib.Path(file.name).read_text())["benchmarks"])


_NANOSECONDS = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}


def _by_name(runs: List[dict]) -> Dict[str, List[float]]:
    found: Dict[str, List[float]] = {}
    for run in runs:
        if "error_message" in run:
            raise RuntimeError(f"{run['name']}: {run['error_message']}")
        if run["run_type"] != "iteration":
            continue
        items = run.get("items_per_second")
        each = 1e9 / items if items else run["cpu_time"] * _NANOSECONDS[run["time_unit"]]
        found.setdefault(run["run_name"], []).append(each)
    return found


def _row(suite: str, name: str, ours: List[float], **more: object) -> Row:
    return Row(suite, name, "ns", ours, more_is_better=False, **more)


def worker(rounds: int, seconds: float) -> Iterator[Row]:
    """The worker's work for a packet, less that of laying the packet ready."""
    with huge_pages(HUGE_MEGABYTES):
        ours = samples("worker_bench", ".", rounds, seconds)
    command = "worker_bench"
    for name, times in ours.items():
        if name.startswith(("floor/", "established/")):
            continue
        flows = name.rsplit("/", 1)[1] if name.startswith("known_flow/") else "1000000"
        flows = "100000" if name.startswith("by_backends/") else flows
        net = [time - floor for time, floor in zip(times, ours[f"floor/{flows}"])]
        row = _row("worker", name, net, command=command)
        limit = {"known_flow/dnat/1000": 15, "known_flow/dnat/1000000": 30}.get(name)
        yield row.demand_figure(limit) if limit else row
    storm, calm = (ours[f"established/{kind}/manual_time"] for kind in ("storm", "calm"))
    yield _row("worker", "established under a SYN storm", storm, peer="no storm", theirs=calm,
               command=command).demand_ratio(1.2)  # fmt: skip


def maglev(rounds: int, seconds: float) -> Iterator[Row]:
    """The build of the table beside the rule written down plainly."""
    ours = samples("lb_bench", "^maglev_build", rounds, seconds)
    limits = {"backends:600/slots:65537": 2e6, "backends:1000/slots:131101": 4e6}
    for name, times in ours.items():
        program, _, size = name.partition("/")
        if program != "maglev_build":
            continue
        row = Row("maglev", size, "ms", [time / 1e6 for time in times], "plain implementation",
                  [time / 1e6 for time in ours[f"maglev_build_naive/{size}"]], more_is_better=False,
                  command="lb_bench --benchmark_filter=maglev")  # fmt: skip
        if size in limits:
            row.demand_ratio(1 / 3)
            row.target += f", <= {limits[size] / 1e6:g} ms"
            row.met = row.met and row.figure <= limits[size] / 1e6
        yield row


def plain(program: str, wanted: str = ".") -> Callable[[int, float], Iterator[Row]]:
    """Every benchmark of a program, without peers."""

    def run(rounds: int, seconds: float) -> Iterator[Row]:
        for name, times in samples(program, wanted, rounds, seconds).items():
            yield _row(program.removesuffix("_bench"), name, times, command=program)

    return run
