"""The table that `./dev bench` prints."""

import math

from measure import Row

_FORMAT = "{:<58} {:>12} {:<20} {:>12} {:>7} {:>7}  {}"


def heading() -> str:
    return _FORMAT.format("measurement", "figure", "peer", "its figure", "ratio", "spread", "target")


def number(value: float) -> str:
    """Three significant digits."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{digits}f}"


def quantity(value: float, unit: str) -> str:
    return f"{number(value)} {unit}"


def verdict(row: Row) -> str:
    if row.met is None:
        return row.target
    return f"{row.target}: {'met' if row.met else 'MISSED'}"


def line(row: Row) -> str:
    name = f"{row.suite}: {row.name}"
    if row.error:
        return f"{name:<58} FAILED: {row.error}"
    peer = "" if row.peer_figure is None else quantity(row.peer_figure, row.unit)
    ratio = "" if row.ratio is None else f"{row.ratio:.3g}"
    return _FORMAT.format(
        name, quantity(row.figure, row.unit), row.peer, peer, ratio, f"{100 * row.spread:.0f} %", verdict(row)
    ).rstrip()
