"""What a measurement finds: figures beside their limits, medians with the least and the most, as a table of the page."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from tests.bench.parts import Parts


@dataclass(frozen=True, slots=True)
class Size:
    """How large a run is: the whole bench, or the quick one that only shows that it works."""

    seconds: int
    rounds: int
    people: tuple[int, int]
    cases: tuple[int, int]
    events: int
    rows: int
    warm: bool = True
    """Whether a first round fills the caches and counts for nothing."""


WHOLE = Size(seconds=8, rounds=5, people=(100_000, 1_000_000), cases=(1_000, 10_000), events=300_000, rows=1_000_000)
QUICK = Size(seconds=1, rounds=1, people=(200, 400), cases=(200, 400), events=500, rows=2_000, warm=False)


@dataclass(frozen=True, slots=True)
class Finding:
    """One row: what was measured, what came out, beside what, against which target, and whether it was met."""

    what: str
    figure: str
    beside: str = "–"
    target: str = "–"
    met: bool | None = None

    def row(self) -> str:
        """Return it as a row of a Markdown table."""
        verdict = {True: "met", False: "**not met**", None: "–"}[self.met]
        return f"| {self.what} | {self.figure} | {self.beside} | {self.target} | {verdict} |"


HEAD = "| What | Figure | Beside | Target | |\n|---|---|---|---|---|"
Measurement = Callable[[Parts, Size], list[Finding]]


def spread(values: Sequence[float], unit: str = "") -> str:
    """Write the median of some figures with the least and the most of them."""
    least, most = _short(min(values)), _short(max(values))
    told = f"{_short(median(values))}{unit}"
    return told if len(values) == 1 else f"{told} ({least}–{most})"


def ratio(ours: Sequence[float], limit: Sequence[float]) -> float:
    """Return how much of the limit is reached, by the medians."""
    return median(ours) / median(limit)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
