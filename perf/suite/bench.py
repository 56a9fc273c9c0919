"""Measures the gateway beside its peers: `./dev bench [NAME]`. See docs/performance.md."""

import argparse
import pathlib
import signal
import sys
import tempfile
import time
from typing import Dict, Iterator, List

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "tests" / "support")]

# pylint: disable=wrong-import-position
import connections  # noqa: E402
import flow_log  # noqa: E402
import growth  # noqa: E402
import idle  # noqa: E402
import instructions  # noqa: E402
import large_source  # noqa: E402
import ledger  # noqa: E402
import limits  # noqa: E402
import machine  # noqa: E402
import memif  # noqa: E402
import operation  # noqa: E402
import pipeline  # noqa: E402
import remote  # noqa: E402
import report  # noqa: E402
import results  # noqa: E402
import sets  # noqa: E402
import sha256  # noqa: E402
import slow_backend  # noqa: E402
import sources  # noqa: E402
import table  # noqa: E402
import tunnels  # noqa: E402
import units  # noqa: E402
from measure import Measurement, Row, Wish  # noqa: E402

SUITES = (instructions, pipeline, memif, units, sha256, tunnels, connections, idle, growth, sources, large_source, limits, slow_backend, sets, ledger, flow_log, operation, remote)

LONGEST = 8  # of the measurements, whose times are told


def rows_of(measurement: Measurement) -> Iterator[Row]:
    """Its rows as they are measured; where it breaks down, a row that says so."""
    try:
        yield from measurement.take()
    except Exception as error:  # pylint: disable=broad-except  # whatever it was, the others go on
        first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
        yield Row(measurement.suite, measurement.name, "", [], error=first_line)
        print(f"{measurement.full_name}: {error}", file=sys.stderr)


def measure(chosen: List[Measurement], found: results.Results) -> None:
    """Runs them in order, prints each row as soon as it is there, and adds it to what was found. Afterwards, what took
    longest."""
    print(table.heading())
    took: Dict[str, float] = {}
    for measurement in chosen:
        began, rows = time.monotonic(), []
        for row in rows_of(measurement):
            print(table.line(row), flush=True)
            rows.append(row)
        found[measurement.full_name] = rows
        took[measurement.full_name] = time.monotonic() - began
    longest = sorted(took, key=took.get, reverse=True)[:LONGEST]
    print(f"{sum(took.values()):.0f} s; longest: " + ", ".join(f"{name} {took[name]:.0f} s" for name in longest))


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="?", default="", help="only measurements whose suite/name contains this")
    parser.add_argument("--list", action="store_true", help="print the measurements' names, and run none")
    parser.add_argument("--all", action="store_true", help="every combination of the pipeline: hours")
    parser.add_argument("--rounds", type=int, default=5, help="pairs of turns for each row")
    parser.add_argument("--seconds", type=float, default=0.25, help="length of a turn")
    parser.add_argument("--json", type=pathlib.Path, help="where the rows are written")
    parser.add_argument("--write-docs", action="store_true",
                        help="put the rows into this CPU's file of docs/performance/results, in place of older ones, and write "
                        "docs/performance.md and its plots anew")  # fmt: skip
    return parser


def main() -> int:
    parser = arguments()
    wish = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that huge pages and namespaces are given back
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as scratch:
        everything = Wish(pathlib.Path(scratch), wish.rounds, wish.seconds, wish.all)
        known = [each for suite in SUITES for each in suite.measurements(everything)]
        chosen = [each for each in known if wish.name in each.full_name]
        if not chosen:
            parser.error(f"no measurement's name contains {wish.name!r}: --list tells them")
        if wish.list:
            print("\n".join(each.full_name for each in chosen))
            return 0
        found: results.Results = {}
        try:
            with machine.alone():
                measure(chosen, found)
        finally:  # where somebody ends it early, too
            if wish.json:
                results.save(wish.json, found, machine.facts())
            if wish.write_docs:
                report.publish(found, machine.facts(), [each.full_name for each in known])
    every = [row for rows in found.values() for row in rows]
    for name in report.unexplained(every):
        print(f"{name}: misses, and docs/performance/reasons.md has no reason", file=sys.stderr)
    return 1 if any(row.error for row in every) or (wish.write_docs and report.unexplained(every)) else 0


if __name__ == "__main__":
    sys.exit(main())
