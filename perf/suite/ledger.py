"""The ledger ingress: end to end, its journal beside a plain writer, its dedupe window beside a hash table."""

import functools
import os
from typing import Iterator, List

from devices_under_test import PERF
from machine import flags, huge_pages
from measure import Measurement, Row, Wish
from units import HUGE_MEGABYTES, runs, samples_of

MEMORY = "/dev/shm"
# 256-byte transactions, with the journal on tmpfs: five threads share the CPUs that there are.
MILLIONS_A_SECOND = {"raw": 3 if len(os.sched_getaffinity(0)) >= 5 else 1.5, "coap": 0.9}
HASH_WORKER_NS = {True: 300, False: 350}  # for a raw one, with AVX-512 and without
ROOM = 40  # bytes a transaction in the dedupe window


def ingress(wish: Wish) -> Iterator[Row]:
    """Transactions that are durable, by the wall clock; and what one costs the hash worker while it has work, which
    is the limit where every thread has a CPU of its own."""
    program = "ledger_ingress_bench"
    for where, directory in (("tmpfs", MEMORY), ("disk", str(PERF))):
        with huge_pages(HUGE_MEGABYTES):
            found = runs(program, ".", wish, every_cpu=True, SLUICE_BENCH_DIRECTORY=directory)
        for framing in ("raw", "coap"):
            mine, in_place = (
                [run for run in found if run["run_name"].startswith(f"ingress/{framing}_{hashing}")]
                for hashing in ("handed_over", "in_place")
            )
            row = _rate(f"ingress of {framing}, journal on {where}", mine, program)
            yield row.demand_figure(MILLIONS_A_SECOND[framing]) if where == "tmpfs" else row
            if where == "tmpfs":
                yield from _costs(framing, mine, program)
                yield _rate(f"ingress of {framing}, hashed by the worker, journal on tmpfs", in_place, program)
                yield _cost(f"hashing by the worker, {framing}", [run["hash_worker_ns"] for run in in_place], program)


def _rate(name: str, found: List[dict], program: str) -> Row:
    return Row("ledger", name, "M/s", [run["items_per_second"] / 1e6 for run in found], command=program)


def _costs(framing: str, found: List[dict], program: str) -> Iterator[Row]:
    hashing = _cost(f"hash worker, {framing}", [run["hash_worker_ns"] for run in found], program)
    has_avx512 = "avx512f" in flags()
    yield hashing.demand_figure(HASH_WORKER_NS[has_avx512]) if framing == "raw" else hashing
    yield _cost(f"worker, {framing}", [run["worker_ns"] for run in found], program)


def _cost(name: str, times: List[float], program: str) -> Row:
    return Row("ledger", name, "ns", times, more_is_better=False, command=program)


def journal(wish: Wish) -> Iterator[Row]:
    """Blocks of one MiB on a disk, each synced, beside a plain writer that syncs as often."""
    program = "ledger_journal_bench"
    directory = str(PERF)
    repetitions = runs(
        program, "^(journal_append|plain_writer)", wish, every_cpu=True, SLUICE_BENCH_DIRECTORY=directory
    )
    found = samples_of(repetitions)
    ours, plain = ([1e3 / time for time in found[f"{name}/real_time"]] for name in ("journal_append", "plain_writer"))
    yield Row("ledger", "journal on disk", "M/s", ours, "plain writer", plain, command=program).demand_ratio(0.8)


def restart(wish: Wish) -> Iterator[Row]:
    """From the lock to a filled dedupe window."""
    program = "ledger_journal_bench"
    found = runs(program, "^restart", wish, SLUICE_BENCH_DIRECTORY=str(PERF))
    for transactions in ("1000000", "10000000"):
        mine = [run["real_time"] / 1e3 for run in found if run["run_name"].split("/")[1] == transactions]
        name = f"restart of a log with {transactions} transactions"
        yield Row("ledger", name, "s", mine, more_is_better=False, command=program).demand_figure(60)


def window(wish: Wish) -> Iterator[Row]:
    """What a transaction costs the dedupe window: time, beside the standard library's hash table, and room."""
    program = "ledger_window_bench"
    found = runs(program, ".", wish)
    times = samples_of(found)
    yield Row("ledger", "window, a new id", "ns", times.pop("window_append"), "std::unordered_map",
              times.pop("unordered_map_append"), more_is_better=False, command=program)  # fmt: skip
    for name, others in times.items():
        yield _cost(name, others, program)
    room = [run["bytes/transaction"] for run in found if "bytes/transaction" in run]
    yield Row("ledger", "window", "bytes/transaction", room, more_is_better=False, command=program).demand_figure(ROOM)


def measurements(wish: Wish) -> Iterator[Measurement]:
    for name, take in (("ingress", ingress), ("journal", journal), ("restart", restart),
                       ("window", window)):  # fmt: skip
        yield Measurement("ledger", name, functools.partial(take, wish))
