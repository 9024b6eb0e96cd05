"""Figures beside their targets: collected, printed as a table, written as JSON."""

import json
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """One measured figure; ``target`` is the most it may be, None when it is only reported."""

    name: str
    value: float
    unit: str
    target: float | None = None

    @property
    def reached(self) -> bool:
        return self.target is None or self.value <= self.target


@dataclass
class Report:
    """Figures in the order in which they were measured."""

    figures: list[Figure] = field(default_factory=list)

    def add(self, name: str, value: float, unit: str, target: float | None = None) -> None:
        figure = Figure(name, round(value, 2), unit, target)
        self.figures.append(figure)
        bound = "" if target is None else f"  target {target:g} {unit}"
        verdict = "" if target is None else ("  ok" if figure.reached else "  MISSED")
        print(f"{name:58} {figure.value:>9g} {unit:3}{bound}{verdict}", flush=True)

    def times(self, name: str, seconds: list[float], p50: float, p95: float) -> None:
        """Add median and 95th percentile of some times, in milliseconds."""
        ordered = sorted(1e3 * s for s in seconds)
        self.add(f"{name}, p50", statistics.median(ordered), "ms", p50)
        self.add(f"{name}, p95", ordered[int(0.95 * (len(ordered) - 1))], "ms", p95)

    def write(self, path: Path | None) -> None:
        if path is not None:
            rows = [asdict(f) | {"reached": f.reached} for f in self.figures]
            path.write_text(json.dumps(rows, indent=1) + "\n")

    @property
    def reached(self) -> bool:
        return all(figure.reached for figure in self.figures)
