#!/usr/bin/python3
"""Sums the results of every suite into one line: tally.py DIRECTORY.

A suite is DIRECTORY/NAME.status, its exit status, and NAME.xml, its cases in JUnit's format where it has
any. Exits 0 only if something ran and nothing failed.
"""

import pathlib
import sys
from typing import NamedTuple
from xml.etree import ElementTree


class Tally(NamedTuple):
    """How many cases went which way."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def plus(self, other: "Tally") -> "Tally":
        return Tally(*(mine + theirs for mine, theirs in zip(self, other)))

    def line(self) -> str:
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


def cases(report: pathlib.Path) -> Tally:
    """The cases of one JUnit file; those that a suite has disabled did not run and do not count."""
    tally = Tally()
    for case in ElementTree.parse(report).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            tally = tally.plus(Tally(failed=1))
        elif case.find("skipped") is not None or case.get("result") == "skipped":
            tally = tally.plus(Tally(skipped=1))
        elif case.get("status") != "notrun":
            tally = tally.plus(Tally(passed=1))
    return tally


def suite(status_file: pathlib.Path) -> Tally:
    """One suite; a failure that no case accounts for is a failure of its own."""
    status = int(status_file.read_text())
    report = status_file.with_suffix(".xml")
    try:
        tally = cases(report) if report.exists() else Tally(passed=int(status == 0))
    except ElementTree.ParseError:
        tally = Tally(failed=1)
    return tally.plus(Tally(failed=1)) if status and not tally.failed else tally


def main() -> int:
    total = Tally()
    for status_file in sorted(pathlib.Path(sys.argv[1]).glob("*.status")):
        tally = suite(status_file)
        print(f"{status_file.stem}: {tally.line()}")
        total = total.plus(tally)
    print(total.line())
    return 0 if total.passed and not total.failed else 1


if __name__ == "__main__":
    sys.exit(main())
