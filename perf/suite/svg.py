"""Plots as SVG: bars beside a mark, and curves over a logarithmic axis. Pure text; nothing is installed for it."""

import math
from html import escape
from typing import Dict, List, NamedTuple, Sequence, Tuple

from table import number

WIDTH = 760
_STYLE = (
    "text{font:12px sans-serif;fill:#222}.t{font-size:14px;font-weight:bold}.q{fill:#666}"
    ".bar{fill:#3b7dd8}.miss{fill:#d9822b}.mark{stroke:#c23030;stroke-width:2}.range{stroke:#123a6b;stroke-width:1.5}"
    ".grid{stroke:#ddd}.axis{stroke:#888}.line{fill:none;stroke-width:2}"
)
_COLORS = ("#3b7dd8", "#d9822b", "#3a9d5d", "#8a56ac")
Point = Tuple[float, float]


class Bar(NamedTuple):
    """One bar: its length, the range of its samples, where it should reach (0: nowhere), and whether it does."""

    label: str
    value: float
    low: float
    high: float
    target: float
    is_missed: bool


def _document(height: int, title: str, parts: Sequence[str]) -> str:
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">',
        f'<style>{_STYLE}</style><rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        _text(16, 22, title, "t"), *parts, "</svg>", "",
    ])  # fmt: skip


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def bars(title: str, values: Sequence[Bar]) -> str:
    """Horizontal bars from 0; the thin line is the range of the samples, the red one the target."""
    left, right, row = 300, WIDTH - 70, 24
    longest = max(max(bar.high, bar.target) for bar in values)
    scale = (right - left) / longest
    parts: List[str] = []
    for index, bar in enumerate(values):
        top = 40 + index * row
        middle = top + row / 2
        kind = "miss" if bar.is_missed else "bar"
        parts.append(_text(left - 8, middle + 4, bar.label, anchor="end"))
        parts.append(f'<rect class="{kind}" x="{left}" y="{top + 4}" width="{bar.value * scale:.1f}" height="{row - 8}"/>')
        parts.append(_line("range", left + bar.low * scale, middle, left + bar.high * scale, middle))
        if bar.target:
            at = left + bar.target * scale
            parts.append(_line("mark", at, top + 1, at, top + row - 1))
        parts.append(_text(right + 8, middle + 4, number(bar.value), "q"))
    return _document(40 + row * len(values) + 16, title, parts)


def _decades(low: float, high: float) -> List[float]:
    return [10.0**power for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]


def curves(title: str, x_name: str, y_name: str, series: Dict[str, List[Point]]) -> str:
    """Lines through points; the horizontal axis is logarithmic, the vertical one begins at 0."""
    left, right, top, bottom = 70, WIDTH - 30, 44, 300
    xs = [x for points in series.values() for x, _ in points]
    highest = 1.15 * max(y for points in series.values() for _, y in points)
    ticks = _decades(min(xs), max(xs))
    span = math.log10(ticks[-1] / ticks[0]) or 1.0

    def place(x: float, y: float) -> Point:
        return left + (right - left) * math.log10(x / ticks[0]) / span, bottom - (bottom - top) * y / highest

    parts = []
    for tick in ticks:
        x, _ = place(tick, 0)
        parts += [_line("grid", x, top, x, bottom), _text(x, bottom + 18, f"{tick:,.0f}", "q", "middle")]
    for step in range(5):
        x, y = place(ticks[0], highest * step / 5)
        parts += [_line("grid", left, y, right, y), _text(x - 8, y + 4, number(highest * step / 5), "q", "end")]
    for index, (name, points) in enumerate(series.items()):
        color = _COLORS[index % len(_COLORS)]
        placed = [place(x, y) for x, y in sorted(points)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        parts.append(f'<polyline class="line" stroke="{color}" points="{path}"/>')
        for (x, y), (_, value) in zip(placed, sorted(points)):
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{color}"/>')
            parts.append(_text(x, y - 9, number(value), "q", "middle"))
        if len(series) > 1:
            parts.append(_text(right, top + 14 * (index + 1), name, "q", "end"))
    parts += [_line("axis", left, bottom, right, bottom), _text((left + right) / 2, bottom + 38, x_name, "q", "middle"),
              _text(16, 38, y_name, "q")]  # fmt: skip
    return _document(bottom + 50, title, parts)
