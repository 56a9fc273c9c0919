"""Measures the gateway beside its peers: `./dev bench [NAME]`. See docs/performance.md."""

import argparse
import json
import pathlib
import sys
import tempfile
from typing import Callable, Dict, Iterator

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "tests" / "support")]

# pylint: disable=wrong-import-position
import machine  # noqa: E402
import pipeline  # noqa: E402
import table  # noqa: E402
import units  # noqa: E402
from measure import Row  # noqa: E402

Suite = Callable[[argparse.Namespace], Iterator[Row]]


def suites(scratch: pathlib.Path) -> Dict[str, Suite]:
    """Every suite by its name, in the order in which they run."""

    def unit(measure: Callable[[int, float], Iterator[Row]]) -> Suite:
        return lambda wish: measure(wish.rounds, wish.seconds)

    return {
        "pipeline": lambda wish: pipeline.run(scratch, wish.rounds, wish.seconds, wish.all),
        "worker": unit(units.worker),
        "maglev": unit(units.maglev),
        "lb": unit(units.plain("lb_bench", "^(flow|service|balance)")),
        "crypto_sha256": unit(units.plain("crypto_sha256_bench")),
        "ledger_window": unit(units.plain("ledger_window_bench")),
        "ledger_journal": unit(units.plain("ledger_journal_bench")),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="?", default="", help="only suites whose name contains this")
    parser.add_argument("--all", action="store_true", help="every combination of the pipeline: hours")
    parser.add_argument("--rounds", type=int, default=5, help="pairs of turns for each row")
    parser.add_argument("--seconds", type=float, default=0.5, help="length of a turn")
    parser.add_argument("--json", type=pathlib.Path, help="where the rows are written")
    wish = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as scratch:
        chosen = {name: run for name, run in suites(pathlib.Path(scratch)).items() if wish.name in name}
        if not chosen:
            parser.error(f"no suite's name contains {wish.name!r}")
        print(table.heading())
        for run in chosen.values():
            for row in run(wish):
                print(table.line(row), flush=True)
                rows.append(row)
    if wish.json:
        wish.json.write_text(
            json.dumps({"machine": machine.facts(), "rows": [row.as_json() for row in rows]}, indent=1)
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
