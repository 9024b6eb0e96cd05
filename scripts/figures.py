"""Figures beside their targets: collected, printed as a table, written as JSON."""

import json
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """One measured figure.

    Attributes:
        name, unit: What was measured.
        value: None when it could not be measured; ``note`` says why then.
        target: The most it may be, None when it is only reported.
        least: The target is the least it may be instead.
        note: What else is to be known, in words.
        details: What it was made from, for the JSON.
    """

    name: str
    value: float | None
    unit: str
    target: float | None = None
    least: bool = False
    note: str = ""
    details: Mapping[str, object] = field(default_factory=dict)

    @property
    def reached(self) -> bool:
        """Whether no target was missed; what was not measured missed none."""
        if self.target is None or self.value is None:
            return True
        return self.value >= self.target if self.least else self.value <= self.target

    @property
    def verdict(self) -> str:
        """``held``, ``missed``, ``not measured``, or ``reported`` where there is no target."""
        if self.value is None:
            return "not measured"
        if self.target is None:
            return "reported"
        return "held" if self.reached else "missed"

    def line(self) -> str:
        """Return the figure as a line of a table."""
        value = "-" if self.value is None else f"{self.value:g}"
        bound = ""
        if self.target is not None:
            bound = f"  target {'>= ' if self.least else ''}{self.target:g} {self.unit}"
        verdict = {"held": "  ok", "missed": "  MISSED", "reported": ""}.get(self.verdict, "")
        note = f"  ({self.note})" if self.note else ""
        return f"{self.name:58} {value:>9} {self.unit:3}{bound}{verdict}{note}"


@dataclass
class Report:
    """Figures in the order in which they were measured."""

    figures: list[Figure] = field(default_factory=list)

    def add(
        self, name: str, value: float, unit: str, target: float | None = None, note: str = ""
    ) -> None:
        self.show(Figure(name, round(value, 2), unit, target, note=note))

    def show(self, figure: Figure) -> None:
        """Add a figure and print its line."""
        self.figures.append(figure)
        print(figure.line(), flush=True)

    def times(
        self, name: str, seconds: list[float], p50: float, p95: float, note: str = ""
    ) -> None:
        """Add median and 95th percentile of some times, in milliseconds."""
        ordered = sorted(1e3 * s for s in seconds)
        self.add(f"{name}, p50", statistics.median(ordered), "ms", p50, note)
        self.add(f"{name}, p95", ordered[int(0.95 * (len(ordered) - 1))], "ms", p95, note)

    def rows(self) -> list[dict[str, object]]:
        """Return the figures with their verdicts, for JSON."""
        told = [(f, {"reached": f.reached, "verdict": f.verdict}) for f in self.figures]
        return [asdict(figure) | verdict for figure, verdict in told]

    def write(self, path: Path | None) -> None:
        if path is not None:
            path.write_text(json.dumps(self.rows(), indent=1) + "\n")

    @property
    def reached(self) -> bool:
        return all(figure.reached for figure in self.figures)
