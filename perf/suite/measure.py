"""What every measurement has in common: rows with a peer, and turns taken between the two."""

import dataclasses
import pathlib
import statistics
from typing import Callable, Iterable, List, Optional, Sequence


@dataclasses.dataclass
class Row:
    """One line of the table: ours beside a peer's (or nobody's), and what was asked for."""

    suite: str
    name: str
    unit: str
    ours: List[float]  # samples, in the order of the turns
    peer: str = ""
    theirs: List[float] = dataclasses.field(default_factory=list)
    target: str = ""  # in words; empty: shown, not demanded
    met: Optional[bool] = None  # None where there is no target
    command: str = ""
    more_is_better: bool = True
    curve: str = ""  # the plot that the figure is a point of, if any
    at: float = 0.0  # where on that curve
    error: str = ""  # why there is no figure

    @property
    def figure(self) -> Optional[float]:
        return statistics.median(self.ours) if self.ours else None

    @property
    def peer_figure(self) -> Optional[float]:
        return statistics.median(self.theirs) if self.theirs else None

    @property
    def ratio(self) -> Optional[float]:
        """The median over pairs of ours by theirs: what a noisy machine cannot take away."""
        return statistics.median(self.ratios) if self.ratios else None

    @property
    def ratios(self) -> List[float]:
        """One for each pair; none at all where the peer's sample is 0 in any, as of events that seldom happen."""
        return [ours / theirs for ours, theirs in zip(self.ours, self.theirs)] if all(self.theirs) else []

    @property
    def spread(self) -> float:
        """Half the range of the ratios (or of the samples, without a peer), by their median."""
        samples = self.ratios or self.ours
        middle = statistics.median(samples) if samples else 0.0
        return (max(samples) - min(samples)) / 2 / abs(middle) if middle else 0.0

    def demand_ratio(self, target: float) -> "Row":
        """Adds a target that the ratio must reach, in the direction that is better."""
        return self._demand("ratio", self.ratio, target, "")

    def demand_figure(self, target: float) -> "Row":
        """Adds a target that the figure itself must reach."""
        return self._demand("", self.figure, target, " " + self.unit)

    def _demand(self, what: str, value: float, target: float, unit: str) -> "Row":
        words = f"{what} {'>=' if self.more_is_better else '<='} {target:.3g}{unit}".strip()
        reached = value >= target if self.more_is_better else value <= target
        self.target = f"{self.target}, {words}" if self.target else words
        self.met = reached and self.met is not False
        return self

    def as_json(self) -> dict:
        return {
            **dataclasses.asdict(self),
            "figure": self.figure,
            "peer_figure": self.peer_figure,
            "ratio": self.ratio,
            "spread": self.spread,
        }


def row_from_json(value: dict) -> Row:
    """The inverse of Row.as_json."""
    names = {field.name for field in dataclasses.fields(Row)}
    return Row(**{name: part for name, part in value.items() if name in names})


@dataclasses.dataclass(frozen=True)
class Wish:
    """What whoever runs the suite asked for."""

    scratch: pathlib.Path  # a directory for captures, sockets and logs
    rounds: int = 5  # pairs of turns for each row
    seconds: float = 0.25  # length of a turn
    everything: bool = False  # every combination of the pipeline


@dataclasses.dataclass(frozen=True)
class Measurement:
    """What is run as one: rows that share their processes. It may raise; the others go on."""

    suite: str
    name: str
    take: Callable[[], Iterable[Row]]

    @property
    def full_name(self) -> str:
        return f"{self.suite}/{self.name}"


def take_turns(measures: Sequence[Callable[[], float]], rounds: int) -> List[List[float]]:
    """Calls the measures in turn, A-B-A-B, `rounds` times; returns the samples of each."""
    samples: List[List[float]] = [[] for _ in measures]
    for _ in range(rounds):
        for measure, kept in zip(measures, samples):
            kept.append(measure())
    return samples


def thread_named(pid: int, name: str) -> int:
    """The thread of a process that bears this name."""
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        if (task / "comm").read_text().strip() == name:
            return int(task.name)
    raise LookupError(f"process {pid} has no thread {name}")


def cpu_ns(pid: int, thread: int) -> int:
    """Nanoseconds that a thread has been on a CPU: others on the same CPU do not count."""
    return int(pathlib.Path(f"/proc/{pid}/task/{thread}/schedstat").read_text().split()[0])


def process_cpu_ns(pid: int) -> int:
    """The same over all threads of a process that are alive."""
    return sum(cpu_ns(pid, int(task.name)) for task in pathlib.Path(f"/proc/{pid}/task").iterdir())
