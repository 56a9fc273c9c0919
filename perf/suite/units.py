"""The google-benchmark programs: their own interleaving and repetitions, and the rows that have targets."""

import dataclasses
import functools
import json
import os
import pathlib
import re
import subprocess
import tempfile
from typing import Callable, Dict, Iterator, List, Tuple

from devices_under_test import PERF, WORKER_CPU
from machine import huge_pages
from measure import Measurement, Row, Wish

HUGE_MEGABYTES = 128
ROUNDS_OF_NEW_FLOWS = 3  # each fills a table of a million first
UNIT_SECONDS = 0.2  # of a wished turn: there are hundreds of them
_NANOSECONDS = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}
Samples = Dict[str, List[float]]


def runs(program: str, wanted: str, wish: Wish, every_cpu: bool = False, **environment: str) -> List[dict]:
    """What a program says of each repetition of the benchmarks wanted; on one CPU, unless it has threads."""
    pin = [] if every_cpu else ["taskset", "--cpu-list", str(WORKER_CPU)]
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        done = subprocess.run(
            [*pin, str(PERF / program), f"--benchmark_filter={wanted}",
             f"--benchmark_min_time={UNIT_SECONDS * wish.seconds}", f"--benchmark_repetitions={wish.rounds}",
             "--benchmark_enable_random_interleaving=true", f"--benchmark_out={file.name}"],
            check=False, capture_output=True, text=True, env={**os.environ, **environment},
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{program} left with {done.returncode}: {done.stderr.strip()}")
        found = json.loads(pathlib.Path(file.name).read_text())["benchmarks"]
    for run in found:
        if "error_message" in run:
            raise RuntimeError(f"{run['name']}: {run['error_message']}")
    return [run for run in found if run["run_type"] == "iteration"]


def samples(program: str, wanted: str, wish: Wish) -> Samples:
    """CPU nanoseconds for each item (or each iteration, where none is counted), by benchmark."""
    return samples_of(runs(program, wanted, wish))


def samples_of(repetitions: List[dict]) -> Samples:
    """The same, of what runs() found."""
    found: Samples = {}
    for run in repetitions:
        items = run.get("items_per_second")
        each = 1e9 / items if items else run["cpu_time"] * _NANOSECONDS[run["time_unit"]]
        found.setdefault(re.sub(r"/iterations:\d+", "", run["run_name"]), []).append(each)
    return dict(sorted(found.items(), key=_natural))  # they ran in random order


def _natural(item: Tuple[str, List[float]]) -> List[object]:
    """Numbers by their size."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", item[0])]


TARGETS = {  # nanoseconds
    "known_flow/dnat/1000": 14, "known_flow/dnat/100000": 25, "known_flow/dnat/1000000": 31, "new_flow/dnat/1": 200,
}  # fmt: skip


def _row(suite: str, name: str, ours: List[float], program: str, **more: object) -> Row:
    return Row(suite, name, "ns", ours, more_is_better=False, command=program, **more)


def worker_work(wanted: str, floor: str, curve: str, wish: Wish) -> Iterator[Row]:
    """The worker's work for a packet, less that of laying the packet ready. `floor`: how many flows that was measured
    with; empty: as many as the benchmark's name ends with."""
    pattern = f"^({wanted}|floor/{floor})"
    with huge_pages(HUGE_MEGABYTES):
        found = samples("worker_bench", pattern, wish)
    for name, times in found.items():
        if name.startswith("floor/"):
            continue
        *_, last = name.split("/")
        net = [time - under for time, under in zip(times, found[f"floor/{floor or last}"])]
        row = _row("worker", name, net, f"worker_bench --benchmark_filter='{pattern}'")
        if name.rsplit("/", 1)[0] in ("known_flow/dnat", "by_backends", "by_range", "by_fill", "new_flow/dnat"):
            row.curve, row.at = curve, float(last)
        limit = TARGETS.get(name)
        yield row.demand_figure(limit) if limit else row


def answers(wish: Wish) -> Iterator[Row]:
    """The same for what backends of known flows answer, which is timed alone."""
    with huge_pages(HUGE_MEGABYTES):
        for name, times in samples("worker_bench", "^known_answer/", wish).items():
            command = "worker_bench --benchmark_filter=^known_answer"
            yield _row("worker", name.removesuffix("/manual_time"), times, command)


def storms(wish: Wish) -> Iterator[Row]:
    """Established flows while somebody else sends SYNs, beside the same while nobody does."""
    with huge_pages(HUGE_MEGABYTES):
        found = samples("worker_bench", "^established/", wish)
    calm = found.pop("established/calm/manual_time")
    for name, times in found.items():
        kind = name.split("/")[1].replace("_", " ")
        row = _row("worker", f"established flows, {kind}", times, "worker_bench --benchmark_filter=^established",
                   peer="no storm", theirs=calm)  # fmt: skip
        yield row.demand_ratio(1.2)


def maglev(wish: Wish) -> Iterator[Row]:
    """The build of the table beside the rule written down plainly."""
    ours = samples("lb_bench", "^maglev_build", wish)
    limits = {"backends:600/slots:65537": 2, "backends:1000/slots:131101": 4}
    for name, times in ours.items():
        program, _, size = name.partition("/")
        if program != "maglev_build":
            continue
        row = Row("maglev", size, "ms", [time / 1e6 for time in times], "plain implementation",
                  [time / 1e6 for time in ours[f"maglev_build_naive/{size}"]], more_is_better=False,
                  command="lb_bench --benchmark_filter=maglev")  # fmt: skip
        yield row.demand_figure(limits[size]).demand_ratio(1 / 3) if size in limits else row


def inspection(wish: Wish) -> Iterator[Row]:
    """The worker's whole work for segments that a thousand rules look at, beside Hyperscan on the same bytes of the same
    streams in the same order; and what that is to flows of a service without inspection."""
    with huge_pages(HUGE_MEGABYTES):
        found = samples("inspection_bench", "", wish)
    for connections in ("64", "4096"):
        ours, theirs = ([time - under for time, under in zip(found[f"{name}/{connections}"], found[f"floor/{connections}"])]
                        for name in ("pipeline", "hyperscan"))  # fmt: skip
        row = _row("inspection", f"1000 rules, 512-byte payloads, {connections} connections", ours, "inspection_bench",
                   peer="hs_scan_stream", theirs=theirs)  # fmt: skip
        yield row.demand_ratio(1 / 0.85)
    alone, ordinary, beside, hostile = (found[f"other_flow/{kind}/manual_time"]
                                        for kind in ("no_inspection", "beside_ordinary", "beside_inspection", "beside_hostile"))  # fmt: skip
    command = "inspection_bench --benchmark_filter=other_flow"
    more = [time - before for time, before in zip(beside, alone)]
    yield _row("inspection", "flows of another service, more", more, command).demand_figure(2)
    row = _row("inspection", "flows of another service beside a hostile client", hostile, command,
               peer="beside an ordinary client, no inspection", theirs=ordinary)  # fmt: skip
    yield row.demand_ratio(1.2)


def plain(program: str, wanted: str, wish: Wish) -> Iterator[Row]:
    """Every benchmark of a program, without peers."""
    for name, times in samples(program, wanted, wish).items():
        yield _row(program.removesuffix("_bench"), name, times, program)


def measurements(wish: Wish) -> Iterator[Measurement]:
    def each(suite: str, name: str, take: Callable[..., Iterator[Row]], *arguments: str) -> Measurement:
        return Measurement(suite, name, functools.partial(take, *arguments, wish))

    yield each("worker", "known flow", worker_work, "known_flow/", "", "ns by flows")
    yield each("worker", "answers", answers)
    yield each("worker", "backends", worker_work, "by_backends/", "100000", "ns by backends")
    yield each("worker", "range of the table", worker_work, "by_range/", "10000", "ns by range")
    yield each("worker", "fill of the table", worker_work, "by_fill/", "10000", "ns by fill")
    few = dataclasses.replace(wish, rounds=min(wish.rounds, ROUNDS_OF_NEW_FLOWS))
    take = functools.partial(worker_work, "new_flow/", "1000000", "ns by services", few)
    yield Measurement("worker", "new flow", take)
    yield each("worker", "storm", storms)
    yield each("inspection", "stream", inspection)
    yield each("maglev", "build", maglev)
    yield each("lb", "units", plain, "lb_bench", "^(flow|service|balance|prefix|limit|source)")
